--- mtl.data.csv { path =, inputs = { "carat", "color" }, targets = { price = "price", cut = { column = "cut" } } }
-- A table, plain or gzipped, with a header line. Numeric inputs are normalised by mean and standard deviation of the
-- training rows (`normalize = false`: as they stand), text becomes one feature a level. A column is a name or
-- { column =, log = true, normalize =, levels = { in this order }, classes = true }; text targets are classes anyway.
-- split: fractions; { column = "fold" } that holds train, valid, test; or `path` is { train = FILE, test = FILE }.
local data = require "mtl.data"
local core = require "mtl.core"
local column = require "mtl.data.column"
local set = require "mtl.data.set"
local split = require "mtl.data.split"

local function check_split(s)
  if type(s) == "table" and s.column then
    return type(s.column) ~= "string" and "split.column should be the name of a column" or nil
  end
  return split.check(s)
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
    raw.inputs[i] = column.read(csv, spec, state and state.inputs[i].levels)
  end
  for name, spec in pairs(targets) do
    raw.targets[name] = column.read(csv, spec, state and state.targets[name].levels)
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
  if self.split.column then
    local codes, levels = raw.csv:codes(self.split.column)
    local rows = split.by_column(codes, levels, self.split.column)
    if not rows.train then
      error(("data.csv: column '%s' puts no row in the split 'train'"):format(self.split.column), 0)
    end
    return rows
  end
  return split.rows(raw.rows, self.split, self.seed)
end

return data.define {
  name = "csv",
  params = {
    path = { required = true, type = "string or table" },
    inputs = { required = true, type = "table" },
    targets = { required = true, type = "table" },
    split = { default = { 0.8, 0.1, 0.1 }, type = "table", check = check_split },
    separator = { default = ",", type = "string" },
    missing = { type = "string" },
    normalize = { default = true, type = "boolean" },
    batch = { default = 64, type = "size" },
    seed = { default = 1, type = "integer" },
  },
  open = function(self, at)
    local inputs, target_specs, names = specs(self)
    local paths = type(self.path) == "table" and self.path or { train = self.path }
    if not paths.train then
      error("data.csv: path should be a file, or { train = FILE, valid = FILE, test = FILE }", 0)
    end
    local raw = read_file(self, at, paths.train, inputs, target_specs, at.state)
    local by_files = type(self.path) == "table"
    local rows = by_files and { train = core.arange(raw.rows, "int32") } or rows_of(self, raw)
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
