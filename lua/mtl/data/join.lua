--- mtl.data.join { a, b, ... }: the rows of several data sets, one after another, as one. Their inputs are the same; a
-- target that one of them lacks is missing there, so sets labelled for different tasks train one network. Splits are
-- joined by name. Classes are merged by their names; inputs and numbers of tables are normalised as those of the first.
local core = require "mtl.core"
local data = require "mtl.data"
local declare = require "mtl.declare"
local files = require "mtl.data.files"
local pixels = require "mtl.data.pixels"
local sample = require "mtl.data.sample"
local set = require "mtl.data.set"

-- What the next sets take over from the state of the first: how inputs and numbers are read.
local function likeness(state)
  local like = { inputs = state.inputs, fields = state.fields, normalize = state.normalize, targets = {} }
  for name, fitted in pairs(state.targets or {}) do
    like.targets[name] = type(fitted) == "table" and fitted.column and not fitted.levels and fitted or nil
  end
  return like
end

local function open_all(self, at)
  local opened, like = {}, nil
  for i, declaration in ipairs(self.sets) do
    local where = { like = like }
    for key, value in pairs(at) do
      where[key] = value
    end
    local kept = at.state and at.state.sets[i]
    where.state = kept and kept.state
    opened[i] = declaration:open(where)
    if opened[i].weights then
      error(("data.join: set %d has `sample`, which goes to data.join itself: { a, b, sample = { ... } }"):format(i), 0)
    end
    like = like or likeness(opened[1].state)
  end
  return opened
end

local function encoded(value)
  return core.json_encode(value or core.array {})
end

-- The sets should give the model the same.
local function check_inputs(opened)
  local first = opened[1]
  for i = 2, #opened do
    for what, key in pairs { inputs = "inputs", ["shapes of inputs"] = "input_shapes", transforms = "transforms",
      ["codes of inputs"] = "codes" } do
      local here, there = encoded(first[key]), encoded(opened[i][key])
      if here ~= there then
        error(("data.join: the %s of set %d (%s) are %s, and those of set 1 (%s) %s: they should be the same"):format(
          what, i, opened[i].kind, there, first.kind, here), 0)
      end
    end
  end
end

-- Levels of both, those of `a` first; nil where classes have no names.
local function merge(name, a, b)
  if (a.levels == nil) ~= (b.levels == nil) then
    error(("data.join: target '%s' has names of classes in one set and none in another"):format(name), 0)
  end
  if not a.levels then
    return nil, math.max(a.classes, b.classes)
  end
  local levels, seen = core.array {}, {}
  for _, list in ipairs { a.levels, b.levels } do
    for _, level in ipairs(list) do
      if not seen[level] then
        levels[#levels + 1], seen[level] = level, true
      end
    end
  end
  return levels, #levels
end

-- One description of a target for all sets.
local function describe(name, a, b)
  local same = a.kind == b.kind and a.dense == b.dense and encoded(a.shape) == encoded(b.shape)
    and encoded(a.own) == encoded(b.own)
  if not same then
    error(("data.join: target '%s' is %s in one set and %s in another"):format(name, encoded(a), encoded(b)), 0)
  end
  local both = {}
  for key, value in pairs(a) do
    both[key] = value
  end
  if a.kind == "class" then
    both.levels, both.classes = merge(name, a, b)
    if a.dense and (a.classes ~= b.classes or encoded(a.levels) ~= encoded(b.levels)) then
      error(("data.join: target '%s' has other classes in one set than in another"):format(name), 0)
    end
  end
  return both
end

-- A part of a joined field. `to`: levels that classes are recoded to.
local function recoded(field, from, to)
  if not to or field.role then -- dense ones are the same everywhere
    return field
  end
  local place, map = {}, { -1 }
  for i, level in ipairs(to) do
    place[level] = i - 1
  end
  for i, level in ipairs(from) do
    map[i + 1] = place[level]
  end
  return { tensor = core.tensor(map, "int32"):take(1, (field.tensor:cast "float32" + 1):cast "int32") }
end

-- Rows without the label, beside a field that has it.
local function absent(n, field, class)
  local shape = { n, table.unpack(pixels.shape(field)) }
  return { tensor = core.full(shape, class and -1 or 0 / 0, class and "int32" or "float32"), role = field.role }
end

-- Parts on the disk as one field, which stays there; nil where one is in memory, or they are read in different ways.
local function cat_sources(parts)
  local first, list, rows, before = parts[1], {}, {}, 0
  for i, part in ipairs(parts) do
    local same = part.scale == first.scale and part.shift == first.shift and part.missing == first.missing
      and encoded(part.classes and part.classes:totable()) == encoded(first.classes and first.classes:totable())
    if not (same and part.source and part.source:dtype() == first.source:dtype()) then
      return nil
    end
    list[i] = part.source
    for _, row in ipairs((part.rows or core.arange(#part.source, "int32")):totable()) do
      rows[#rows + 1] = before + row
    end
    before = before + #part.source
  end
  return { source = core.join_sources(list), rows = core.tensor(rows, "int32"), role = first.role, scale = first.scale,
    shift = first.shift, missing = first.missing, classes = first.classes }
end

-- Parts, one after another, in memory.
local function cat_tensors(parts)
  local loaded, alike, tensors = files.load(parts), true, {}
  local first = loaded[1]
  for _, part in ipairs(loaded) do
    alike = alike and part.tensor:dtype() == first.tensor:dtype() and part.scale == first.scale
      and part.shift == first.shift
  end
  for i, part in ipairs(loaded) do
    tensors[i] = alike and part.tensor or set.values(part, part.tensor)
  end
  return { tensor = core.cat(tensors, 1), role = first.role, scale = alike and first.scale or nil,
    shift = alike and first.shift or nil }
end

local function cat(parts)
  return cat_sources(parts) or cat_tensors(parts)
end

-- The place of a target among the fields of a set, or nil.
local function place_of(opened, name)
  for i, target in ipairs(opened.target_names) do
    if target == name then
      return #opened.inputs + i
    end
  end
end

-- Fields of one split; nil where no set has it.
local function join_split(opened, split, names, targets)
  local with, fields = {}, {}
  for _, s in ipairs(opened) do
    with[#with + 1] = s.rows[split] and s or nil
  end
  if #with == 0 then
    return nil
  end
  for i = 1, #opened[1].inputs do
    local parts = {}
    for k, s in ipairs(with) do
      parts[k] = s:fields(split)[i]
    end
    fields[i] = cat(parts)
  end
  for _, name in ipairs(names) do
    local parts, like = {}, nil
    for _, s in ipairs(opened) do -- any set that has the target shows what is missing elsewhere
      local at = place_of(s, name)
      like = like or at and s:fields "train"[at]
    end
    for k, s in ipairs(with) do
      local at = place_of(s, name)
      parts[k] = at and recoded(s:fields(split)[at], s.targets[name].levels, targets[name].levels)
        or absent(s.rows[split], like, targets[name].kind == "class")
    end
    fields[#fields + 1] = cat(parts)
  end
  return fields
end

return data.define {
  name = "join",
  list = "sets",
  params = {
    sets = { required = true, type = "table", check = function(sets)
      for i = 1, math.max(#sets, 2) do
        if not declare.is(sets[i], "data") then
          return ("it joins two or more data sets, { a, b }, and number %d is none"):format(i)
        end
      end
    end },
    sample = sample.param,
    batch = { type = "size" },
    seed = { default = 1, type = "integer" },
  },
  open = function(self, at)
    local opened = open_all(self, at)
    check_inputs(opened)
    local names, targets, state, fields = {}, {}, { sets = {} }, {}
    for i, s in ipairs(opened) do
      for _, name in ipairs(s.target_names) do
        if not targets[name] then
          names[#names + 1] = name
        end
        targets[name] = describe(name, targets[name] or s.targets[name], s.targets[name])
      end
      state.sets[i] = { kind = s.kind, state = s.state }
    end
    for _, split in ipairs(set.splits) do
      fields[split] = join_split(opened, split, names, targets)
    end
    local first = opened[1]
    return set.new { kind = "join", inputs = first.inputs, input_shapes = first.input_shapes, codes = first.codes,
      targets = targets, target_names = names, fields = fields, batch = self.batch or first.batch, seed = self.seed,
      transforms = first.transforms, sample = self.sample, state = state }
  end,
}
