--- mtl.data.csv { path =, inputs = { "carat", "color" }, targets = { price = "price", cut = { column = "cut" } } }
-- A table, plain or gzipped, with a header line. Numeric inputs are normalised by mean and standard deviation of the
-- training rows (`normalize = false`: as they stand), text becomes one feature a level. A column is a name or
-- { column =, log = true, normalize =, levels = { in this order }, classes = true }; text targets are classes anyway.
-- split: fractions (.8, .1, .1); { column = "fold" } that holds train, valid, test; or `path` is
-- { train = FILE, test = FILE }.
local data = require "mtl.data"
local core = require "mtl.core"
local nearest = require "mtl.nearest"
local column = require "mtl.data.column"
local set = require "mtl.data.set"
local split = require "mtl.data.split"

local function check_split(s)
  if type(s) == "table" and s.column then
    return type(s.column) ~= "string" and "split.column should be the name of a column" or nil
  end
  return split.check(s)
end

local function check_path(path)
  if type(path) == "string" then
    return nil
  end
  local files = { train = true, valid = true, test = true }
  for key, file in pairs(path) do
    if not files[key] then
      return ("path: unknown key '%s'%s"):format(tostring(key), nearest.hint(key, files))
    elseif type(file) ~= "string" then
      return ("path.%s should be the name of a file"):format(key)
    end
  end
  return not path.train and "path should be a file, or { train = FILE, valid = FILE, test = FILE }" or nil
end

-- What an earlier run kept should be of these columns.
local function check_state(state, inputs, targets)
  local function check(what, spec, fitted)
    local kept = type(fitted) == "table" and fitted.column
    if kept ~= spec.column then
      error(("data.csv: this run is of another recipe: its %s was %s, here it is column '%s'"):format(what,
        kept and ("column '%s'"):format(kept) or "no column of a table", spec.column), 0)
    end
  end
  local kept_inputs = type(state.inputs) == "table" and state.inputs or {}
  local kept_targets = type(state.targets) == "table" and state.targets or {}
  for i, spec in ipairs(inputs) do
    check("input " .. i, spec, kept_inputs[i])
  end
  if #kept_inputs > #inputs then
    error(("data.csv: this run is of another recipe: it had %d inputs, here there are %d"):format(#kept_inputs,
      #inputs), 0)
  end
  for name, spec in pairs(targets) do
    check(("target '%s'"):format(name), spec, kept_targets[name])
  end
end

-- The columns that are wanted, in order: inputs, then targets by name.
local function specs(self)
  local inputs, targets, names = {}, {}, {}
  for i, s in ipairs(self.inputs) do
    inputs[i] = column.spec("input " .. i, s)
  end
  for name, s in pairs(self.targets) do
    targets[name] = column.spec("target '" .. tostring(name) .. "'", s, name)
    names[#names + 1] = name
  end
  if #inputs == 0 or #names == 0 then
    error("data.csv: inputs and targets should each name at least one column", 0)
  end
  table.sort(names)
  return inputs, targets, names
end

local function read_file(self, at, path, inputs, targets, state)
  local file = at.path(path)
  local csv = core.csv_read(file, { separator = self.separator, missing = self.missing })
  if csv:rows() == 0 then
    error(("%s: a header and no rows"):format(path), 0)
  end
  local raw = { inputs = {}, targets = {}, rows = csv:rows(), csv = csv }
  for i, spec in ipairs(inputs) do
    raw.inputs[i] = column.read(csv, path, spec, state and state.inputs[i])
  end
  for name, spec in pairs(targets) do
    raw.targets[name] = column.read(csv, path, spec, state and state.targets[name])
  end
  return raw
end

local function fit(raw, rows, names, normalize)
  local state = { inputs = {}, targets = {} }
  for i, r in ipairs(raw.inputs) do
    state.inputs[i] = column.fit(r, rows, normalize)
  end
  for _, name in ipairs(names) do
    state.targets[name] = column.fit(raw.targets[name], rows, false)
  end
  return state
end

-- Fields of all rows, and the targets' descriptions.
local function encode(raw, state, names)
  local features, fields, targets = {}, {}, {}
  for i, r in ipairs(raw.inputs) do
    features[i] = column.features(r, state.inputs[i])
  end
  fields[1] = { tensor = core.cat(features, 2) }
  for i, name in ipairs(names) do
    local t
    t, targets[name] = column.target(raw.targets[name], state.targets[name])
    fields[i + 1] = { tensor = t }
  end
  return fields, targets
end

local function rows_of(self, raw)
  local how = self.split or { 0.8, 0.1, 0.1 }
  if how.column then
    local codes, levels = raw.csv:codes(how.column)
    local rows = split.by_column(codes, levels, how.column)
    if not rows.train then
      error(("data.csv: column '%s' puts no row in the split 'train'"):format(how.column), 0)
    end
    return rows
  end
  return split.rows(raw.rows, how, self.seed)
end

return data.define {
  name = "csv",
  params = {
    path = { required = true, type = "string or table", check = check_path },
    inputs = { required = true, type = "table" },
    targets = { required = true, type = "table" },
    split = { type = "table", check = check_split },
    separator = { default = ",", type = "string" },
    missing = { type = "string" },
    normalize = { default = true, type = "boolean" },
    batch = { default = 64, type = "size" },
    seed = { default = 1, type = "integer" },
  },
  derive = function(self)
    if self.split and type(self.path) == "table" then
      return "split: `path` names a file for each split, so nothing is left to split; give split, or a table of paths"
    end
  end,
  open = function(self, at)
    local inputs, target_specs, names = specs(self)
    local paths = type(self.path) == "table" and self.path or { train = self.path }
    if at.state then
      check_state(at.state, inputs, target_specs)
    end
    local raw = read_file(self, at, paths.train, inputs, target_specs, at.state)
    local by_files = type(self.path) == "table"
    local rows = by_files and { train = core.arange(raw.rows, "int32") } or rows_of(self, raw)
    if not rows.train then
      error(("%s: the split 'train' gets none of its %d rows"):format(paths.train, raw.rows), 0)
    end
    for _, name in ipairs(names) do
      if not column.labelled(raw.targets[name], rows.train) then
        error(("%s: column '%s' of target '%s' has no label in the %d training rows: every field is missing"):format(
          paths.train, target_specs[name].column, name, #rows.train), 0)
      end
    end
    local state = at.state or fit(raw, rows.train, names, self.normalize)
    local whole, targets = encode(raw, state, names)
    local fields = split.apply(whole, rows)
    for name, path in pairs(by_files and paths or {}) do
      if name ~= "train" then -- levels are those of the training file
        fields[name] = encode(read_file(self, at, path, inputs, target_specs, state), state, names)
      end
    end
    return set.new { input_shapes = { { whole[1].tensor:shape(2) } }, targets = targets, target_names = names,
      fields = fields, batch = self.batch, seed = self.seed, state = state }
  end,
}
