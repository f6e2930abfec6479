--- mtl.data.csv { path =, inputs = { "carat", "color" }, targets = { price = "price", cut = { column = "cut" } } }
-- A table, plain or gzipped, with a header line. Numeric inputs are normalised by mean and standard deviation of the
-- training rows (`normalize = false`: as they stand), text becomes one feature a level. A column is a name or
-- { column =, log = true, normalize =, levels = { in this order }, classes = true }; text targets are classes anyway.
-- In place of inputs, `fields` names several, and text becomes codes for nn.embedding: features.lua.
-- split: fractions (.8, .1, .1); { column = "fold" } that holds train, valid, test; or `path` is
-- { train = FILE, test = FILE }.
local data = require "mtl.data"
local core = require "mtl.core"
local columns = require "mtl.data.columns"
local nearest = require "mtl.nearest"
local features = require "mtl.data.features"
local files = require "mtl.data.files"
local labels = require "mtl.data.labels"
local sample = require "mtl.data.sample"
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
  local splits = { train = true, valid = true, test = true }
  for key, file in pairs(path) do
    if not splits[key] then
      return ("path: unknown key '%s'%s"):format(tostring(key), nearest.hint(key, splits))
    elseif type(file) ~= "string" then
      return ("path.%s should be the name of a file"):format(key)
    end
  end
  return not path.train and "path should be a file, or { train = FILE, valid = FILE, test = FILE }" or nil
end

-- A file's columns, raw: read as `state` says, where there is one.
local function read_file(self, at, path, specs, targets, state)
  local csv = columns.read(files.file(path, at), self)
  if csv:rows() == 0 then
    error(("%s: a header and no rows"):format(path), 0)
  end
  return { inputs = features.read(csv, path, specs, state), csv = csv, rows = csv:rows(),
    targets = labels.read(csv, path, targets, state and state.targets) }
end

-- Refuses a target among the inputs: the network would read its answer there.
local function check_leak(specs, targets)
  for _, input in ipairs(specs.names) do
    for _, spec in ipairs(specs.of[input]) do
      for name, target in pairs(targets) do
        if target.column == spec.column then
          error(("data.csv: column '%s' is target '%s' and an input too, where the network would read the answer: take "
            .. "it out of the inputs"):format(spec.column, name), 0)
        end
      end
    end
  end
end

-- Fields of all rows: inputs, then targets; the targets' descriptions; shapes and codes of the inputs.
local function encode(raw, specs, names, state)
  local fields, shapes, codes = features.encode(specs, raw.inputs, state)
  local targets, descriptions = labels.encode(names, raw.targets, state.targets)
  return table.move(targets, 1, #targets, #fields + 1, fields), descriptions, shapes, codes
end

local function rows_of(self, raw)
  local how = self.split or { 0.8, 0.1, 0.1 }
  if how.column then
    columns.check(raw.csv, self.path, how.column)
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
    inputs = { type = "table" },
    fields = { type = "table" },
    targets = { required = true, type = "table" },
    split = { type = "table", check = check_split },
    separator = columns.separator,
    decimal = columns.decimal,
    missing = { type = "string" },
    normalize = { default = true, type = "boolean" },
    sample = sample.param,
    batch = { default = 64, type = "size" },
    seed = { default = 1, type = "integer" },
  },
  derive = function(self)
    if (self.inputs == nil) == (self.fields == nil) then
      return 'inputs should name columns, as { "carat", "color" }, or fields several inputs, as { dense = { "carat" }, '
        .. 'sparse = { "color" } }: one of the two'
    end
    if self.split and type(self.path) == "table" then
      return "split: `path` names a file for each split, so nothing is left to split; give split, or a table of paths"
    end
    local ok, wrong = pcall(function()
      labels.specs("data.csv", self.targets)
      features.specs("data.csv", self.inputs, self.fields)
    end)
    return not ok and wrong:gsub("^data%.csv: ", "") or nil
  end,
  open = function(self, at)
    local specs = features.specs("data.csv", self.inputs, self.fields)
    local target_specs, names = labels.specs("data.csv", self.targets)
    if #names == 0 then
      error("data.csv: targets should name at least one column", 0)
    end
    check_leak(specs, target_specs)
    local paths = type(self.path) == "table" and self.path or { train = self.path }
    if at.like then
      features.check_state("data.join: " .. paths.train, specs, at.like)
    elseif at.state then
      features.check_state("data.csv", specs, at.state)
      labels.check_state("data.csv", target_specs, at.state.targets)
    end
    local raw = read_file(self, at, paths.train, specs, target_specs, at.state or at.like)
    local by_files = type(self.path) == "table"
    local rows = by_files and { train = core.arange(raw.rows, "int32") } or rows_of(self, raw)
    if not rows.train then
      error(("%s: the split 'train' gets none of its %d rows"):format(paths.train, raw.rows), 0)
    end
    labels.check(paths.train, target_specs, names, raw.targets, rows.train)
    local state = at.state
    if not state then
      state = { targets = labels.fit(names, raw.targets, rows.train, at.like), separator = self.separator,
        decimal = self.decimal, missing = self.missing }
      if at.like then -- beside another table (data.join), inputs are read as its rows were
        state.inputs, state.fields = at.like.inputs, at.like.fields
      else
        features.fit(specs, raw.inputs, rows.train, self.normalize, state)
      end
    end
    local whole, targets, shapes, codes = encode(raw, specs, names, state)
    local fields = split.apply(whole, rows)
    for name, path in pairs(by_files and paths or {}) do
      if name ~= "train" then -- levels are those of the training file
        fields[name] = encode(read_file(self, at, path, specs, target_specs, state), specs, names, state)
      end
    end
    local column = self.sample and self.sample.column
    if column then
      columns.check(raw.csv, paths.train, column)
    end
    return set.new { kind = "csv", inputs = specs.names, input_shapes = shapes, codes = codes, targets = targets,
      target_names = names, fields = fields, batch = self.batch, seed = self.seed, state = state, sample = self.sample,
      sample_column = column and raw.csv:numbers(column):take(1, rows.train) }
  end,
}
