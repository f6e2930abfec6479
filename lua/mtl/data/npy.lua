--- mtl.data.npy { inputs = "x.npy" | { name = FILE }, targets = { y = "y.npy" }, split = { .8, .1, .1 } }
-- Arrays whose first dimension counts examples. FILE: "x.npy", "all.npz:x", { path =, name = }, or a file for each
-- split, { train = FILE, test = FILE }. Targets of whole numbers are classes (-1: missing), floats numbers (NaN:
-- missing; { path =, normalize = true } trains on their z-scores). normalize: inputs by the training rows. Small files
-- are read into memory, large ones a row at a time (`memory` decides otherwise). transforms, dense: as data.tensors.
local arrays = require "mtl.data.arrays"
local core = require "mtl.core"
local data = require "mtl.data"
local pixels = require "mtl.data.pixels"
local sample = require "mtl.data.sample"
local set = require "mtl.data.set"
local split = require "mtl.data.split"
local transform = require "mtl.transform"

local function sorted(t)
  local names = {}
  for name in pairs(t) do
    names[#names + 1] = tostring(name)
  end
  table.sort(names)
  return names
end

-- The files, opened: o.fields by split ("whole", or train, valid, test), inputs first, and what they are called.
local function open(self, at)
  local inputs = self.inputs
  if type(inputs) == "string" or inputs.path or inputs.train then
    inputs = { input = inputs }
  end
  local o = { names = sorted(inputs), target_names = sorted(self.targets), fields = {}, shown = {}, normalize = {} }
  if #o.names == 0 or #o.target_names == 0 then
    error("data.npy: inputs and targets should each name at least one file", 0)
  end
  local cache = {}
  o.all = table.move(o.target_names, 1, #o.target_names, #o.names + 1, table.move(o.names, 1, #o.names, 1, {}))
  for i, name in ipairs(o.all) do
    local is_input = i <= #o.names
    local by_split, normalize = arrays.spec(("data.npy: %s '%s'"):format(is_input and "input" or "target", name),
      (is_input and inputs or self.targets)[name])
    o.normalize[i] = not is_input and normalize or nil
    for part, file in pairs(by_split) do
      o.fields[part], o.shown[part] = o.fields[part] or {}, o.shown[part] or {}
      o.fields[part][i], o.shown[part][i] = arrays.open(at, file, cache)
    end
  end
  return o
end

-- The splits that a field has files for, as a text.
local function parts_of(o, i)
  local list = {}
  for _, part in ipairs { "train", "valid", "test" } do
    list[#list + 1] = o.fields[part] and o.fields[part][i] and part or nil
  end
  return #list > 0 and "a file each for " .. table.concat(list, ", ") or "one file"
end

-- Every field has files for the same splits, as many rows, rows of one shape and type.
local function check(o)
  for i, name in ipairs(o.all) do
    local here, first = parts_of(o, i), parts_of(o, 1)
    if here ~= first then
      error(("data.npy: '%s' has %s, and '%s' %s: give each a file for every split, or each one file"):format(name,
        here, o.all[1], first), 0)
    end
  end
  local whole = o.fields.whole or o.fields.train
  for part, fields in pairs(o.fields) do
    for i, field in ipairs(fields) do
      local shown = o.shown[part][i]
      if set.count(field) ~= set.count(fields[1]) then
        error(("%s: has %d rows, but %s has %d"):format(shown, set.count(field), o.shown[part][1],
          set.count(fields[1])), 0)
      end
      local row, want = table.concat(pixels.shape(field), ", "), table.concat(pixels.shape(whole[i]), ", ")
      if row ~= want or arrays.dtype(field) ~= arrays.dtype(whole[i]) then
        error(("%s: has rows of %s [%s], but in training they are %s [%s]"):format(shown, arrays.dtype(field), row,
          arrays.dtype(whole[i]), want), 0)
      end
    end
  end
end

-- Into memory: everything where it is small or asked for, and classes in any case.
local function load(self, o)
  local bytes = 0
  for _, fields in pairs(o.fields) do
    for _, field in ipairs(fields) do
      bytes = bytes + arrays.bytes(field)
    end
  end
  local all = self.memory or self.memory == nil and bytes < set.MEMORY
  for _, fields in pairs(o.fields) do
    for i, field in ipairs(fields) do
      local dense = self.dense and self.dense[o.all[i]]
      local is_class = i > #o.names and arrays.dtype(field) ~= "float32" and not dense
      if all or is_class then
        arrays.load(field)
      end
      if i <= #o.names then
        field.scale, field.shift = 1 / 255, 0
        if #pixels.shape(field) == 0 then -- a number a row
          arrays.load(field)
          field.tensor = field.tensor:reshape(-1, 1)
        end
      elseif field.tensor and field.tensor:dtype() == "uint8" then
        field.tensor = field.tensor:cast "int32"
      end
    end
  end
end

-- Rows that a field is fitted by.
local function sample_of(field, rows)
  if field.tensor then
    return field.tensor:take(1, rows)
  end
  return field.source:take(rows:slice(1, 1, math.min(#rows, 4096)))
end

-- Normalises inputs (images: by a transform) and those targets that ask for it. Returns what was fitted, by name.
local function normalize(self, o, whole, rows, kept)
  local fitted, image, own = {}, nil, {}
  for i, name in ipairs(o.all) do
    local is_input, field = i <= #o.names, whole[i]
    local wanted = is_input and self.normalize and arrays.dtype(field) ~= "int32" or o.normalize[i]
    if wanted and is_input and #pixels.shape(field) == 3 then
      if image then
        error("data.npy: normalize: two inputs are images; mtl.transform.normalize can say how they are", 0)
      end
      image = kept and kept[name] or arrays.fit(sample_of(field, rows))
      fitted[name] = image
    elseif wanted then
      if arrays.dtype(field) ~= "float32" or not field.tensor then
        error(("data.npy: '%s' cannot be normalised: it %s"):format(name, field.tensor and "holds whole numbers"
          or "is read from the disk; memory = true reads it whole"), 0)
      end
      local x = sample_of(field, rows)
      fitted[name] = kept and kept[name] or arrays.fit(is_input and x or x:reshape(-1))
      own[name] = not is_input and { scale = fitted[name].std[1], shift = fitted[name].mean[1] } or nil
      for _, fields in pairs(o.fields) do
        fields[i].tensor = arrays.normalize(fields[i].tensor, fitted[name], is_input)
      end
    end
  end
  return fitted, image or {}, own
end

return data.define {
  name = "npy",
  params = {
    inputs = { required = true, type = "string or table" },
    targets = { required = true, type = "table" },
    split = { type = "table", check = split.check },
    classes = { type = "table" },
    normalize = { default = false, type = "boolean" },
    memory = { type = "boolean" },
    transforms = { type = "table", check = transform.check },
    dense = { type = "table", check = pixels.check },
    sample = sample.param,
    batch = { default = 64, type = "size" },
    seed = { default = 1, type = "integer" },
  },
  open = function(self, at)
    local o = open(self, at)
    check(o)
    load(self, o)
    local whole = o.fields.whole or o.fields.train
    local rows = split.rows(set.count(whole[1]), self.split or o.fields.whole and { 0.8, 0.1, 0.1 } or { 1 }, self.seed)
    if not rows.train then
      error(("%s: the split 'train' gets none of its rows"):format(o.shown.whole and o.shown.whole[1]
        or o.shown.train[1]), 0)
    end
    local fitted, image, own = normalize(self, o, whole, rows.train, (at.state or at.like or {}).normalize)
    local shapes, transforms, before
    for _, fields in pairs(o.fields) do -- every part gets its roles
      shapes, transforms, before = pixels.prepare("data.npy", { transforms = self.transforms, dense = self.dense,
        mean = image.mean, std = image.std, target_names = o.target_names }, fields, o.names)
    end
    local fields = split.apply(whole, rows)
    fields.valid, fields.test = o.fields.valid or fields.valid, o.fields.test or fields.test
    local targets = set.describe_all(fields, #o.names, o.target_names, self)
    for name, units in pairs(own) do
      targets[name].own = units
    end
    return set.new { kind = "npy", inputs = o.names, input_shapes = shapes, targets = targets,
      target_names = o.target_names, fields = fields, batch = self.batch, seed = self.seed, transforms = transforms,
      sample = self.sample, state = { normalize = fitted, shapes = before, transforms = core.array(transforms or {}),
        scale = 1 / 255, shift = 0 } }
  end,
}
