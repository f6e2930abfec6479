--- mtl new NAME: a recipe to begin with, for a made-up table, a table that is there, or a folder of images.
local core = require "mtl.core"
local args = require "mtl.cli.args"
local columns = require "mtl.data.columns"
local nearest = require "mtl.nearest"
local path = require "mtl.path"
local starter = require "mtl.cli.starter"
local text = require "mtl.cli.text"

-- A made-up table: 400 sold boats, whose price and grade follow from the rest.
local function example()
  local lines, u = { "length,age,material,price,grade" }, core.uniform_(core.zeros(400, 4), 1, "new/example"):totable()
  local materials, grades = { "wood", "steel", "fibre" }, { "poor", "fair", "good" }
  for i, r in ipairs(u) do
    local length, age, material = 4 + 12 * r[1], 40 * r[2], 1 + math.floor(r[3] * 2.999)
    local price = 900 * length ^ 1.5 * math.exp(-age / 25) * ({ 1, 1.3, 0.9 })[material] * (0.9 + 0.2 * r[4])
    local state = 1 - age / 40 + ({ -0.2, 0, 0.15 })[material] + 0.3 * (r[4] - 0.5)
    lines[i + 1] = ("%.1f,%.0f,%s,%.0f,%s"):format(length, age, materials[material], price,
      grades[state < 0.3 and 1 or state < 0.7 and 2 or 3])
  end
  return table.concat(lines, "\n") .. "\n"
end

-- A task's name from a column's: letters, digits and _, a letter first.
local function name_of(column)
  local name = column:gsub("[^%w_]+", "_"):gsub("^_+", ""):gsub("_+$", "")
  return name:find "^%a" and name or name ~= "" and "t_" .. name or "target"
end

-- Whether whole numbers look like classes: few of them, each many times.
local function looks_like_classes(csv, levels)
  for _, level in ipairs(levels) do
    if not math.tointeger(tonumber(level)) then
      return false
    end
  end
  return #levels <= 20 and #levels * 5 <= csv:rows()
end

local function plan_target(csv, column, there)
  if not there[column] then
    error(("new: --target: %s"):format(nearest.unknown("column", column, there)), 0)
  end
  local _, levels = csv:codes(column)
  local numeric = csv:numeric(column)
  local classes = numeric and looks_like_classes(csv, levels)
  return { name = name_of(column), column = column, classes = classes or nil,
    normalize = numeric and not classes or nil }
end

-- Text with a value of its own in nearly every row: an id, a date, a sentence.
local function names_rows(csv, column)
  local _, levels = csv:codes(column)
  return not csv:numeric(column) and #levels > 100 and #levels > csv:rows() / 10
end

-- What of a table is learned from what. @return what starter.csv takes
local function plan_csv(file, shown, wanted)
  local csv, separator = columns.guess(path.check(file, "read"))
  local names, there = csv:names(), {}
  if csv:rows() < 10 or #names < 2 then
    error(("%s: %d rows of %d columns are too few to learn from"):format(file, csv:rows(), #names), 0)
  end
  for _, name in ipairs(names) do
    there[name] = true
  end
  local s = { path = shown, separator = separator ~= "," and separator or nil, inputs = {}, targets = {}, dropped = {},
    batch = csv:rows() < 5000 and 32 or 256 }
  local is_target = {}
  for i, column in ipairs(wanted or { names[#names] }) do
    s.targets[i], is_target[column] = plan_target(csv, column, there), true
  end
  for _, column in ipairs(names) do
    if not is_target[column] and names_rows(csv, column) then
      s.dropped[#s.dropped + 1] = column
    elseif not is_target[column] then
      s.inputs[#s.inputs + 1] = column
    end
  end
  if #s.inputs == 0 then
    error(("%s: no column is left to learn from"):format(file), 0)
  end
  return s
end

local function open(declaration)
  return declaration:open { folder = core.realpath ".", path = function(p)
    return path.check(p, "read")
  end }
end

-- Tasks of a data set, by what it found in the files.
local function tasks_of(set, names)
  local tasks = {}
  for i, name in ipairs(names or set.target_names) do
    local target = set.targets[name]
    tasks[i] = { name = name, kind = target.kind, classes = target.classes, shape = target.shape }
  end
  return tasks
end

-- Planned targets as a data set takes them, and their names.
local function declare(targets)
  local declared, names = {}, {}
  for i, t in ipairs(targets) do
    declared[t.name] = { column = t.column, classes = t.classes, normalize = t.normalize }
    names[i] = t.name
  end
  return declared, names
end

local function table_recipe(name, file, shown, wanted)
  local s = plan_csv(file, shown, wanted)
  local declared, names = declare(s.targets)
  local set = open(require "mtl.data".csv { path = file, separator = s.separator, inputs = s.inputs,
    targets = declared })
  return starter.recipe { name = name, data = starter.csv(s), trunk = starter.dense, tasks = tasks_of(set, names) }
end

-- What labels.csv says of images: every column but `file`, and text that nearly every row has for itself, is a target.
local function plan_labels(s, file)
  local csv, separator = columns.guess(path.check(file, "read"))
  columns.check(csv, file, "file")
  s.labels, s.separator, s.targets = file, separator ~= "," and separator or nil, {}
  for _, column in ipairs(csv:names()) do
    if column ~= "file" and not names_rows(csv, column) then
      s.targets[#s.targets + 1] = plan_target(csv, column, { [column] = true })
    end
  end
end

local function image_recipe(name, dir)
  dir = dir:gsub("(.)/+$", "%1")
  path.check(dir, "folder")
  local data, labels = require "mtl.data", path.join(dir, "labels.csv")
  local s = { dir = dir, batch = 32 }
  local declared, names
  if core.stat(labels) then
    plan_labels(s, labels)
    declared, names = declare(s.targets)
  end
  local options = { dir = dir, labels = s.labels, separator = s.separator, targets = declared }
  local ok, set = pcall(open, data.images(options), dir)
  if not ok and tostring(set):find "transforms = { mtl.transform.resize" then
    s.resize, options.transforms = { 64, 64 }, { require "mtl.transform".resize(64, 64) }
    ok, set = pcall(open, data.images(options), dir)
  end
  if not ok then
    error(set, 0)
  end
  return starter.recipe { name = name, data = starter.images(s), trunk = starter.convolutions(set.input_shapes[1]),
    tasks = tasks_of(set, names) }
end

local function named(s)
  local list = {}
  for name in s:gmatch "[^,]+" do
    list[#list + 1] = name:match "^%s*(.-)%s*$"
  end
  return #list > 0 and list or nil, "names of columns, as price,grade"
end

-- Where the recipe cannot reach the data, --data has to say so.
local function outside(shown)
  local folder = shown and core.realpath(shown)
  return folder and not path.below(folder, core.realpath ".") and path.split(folder) or nil
end

return {
  name = "new",
  summary = "a recipe to begin with",
  usage = { "mtl new NAME", "mtl new NAME --data FILE.csv [--target COLUMN,COLUMN]", "mtl new NAME --images DIR" },
  arguments = { "NAME" },
  options = {
    { name = "data", value = "FILE", read = args.path, help = "for this table (default: a made-up one, NAME.csv)" },
    { name = "target", value = "A,B", read = named, help = "columns to learn (default: the last one)" },
    { name = "images", value = "DIR", read = args.path,
      help = "for these PNG images: a folder a class, or labels.csv in DIR with a column `file`" },
  },
  notes = "It writes NAME.lua into this folder, with comments on what to change, and never overwrites a file.",
  run = function(options, rest)
    local name = rest[1]:gsub("%.lua$", "")
    if not name:find "^[%w_][%w_%-]*$" then
      error(("new: NAME is '%s', which should be letters, digits, '_' and '-'"):format(rest[1]), 0)
    elseif options.images and (options.data or options.target) then
      error("new: --images exclude --data and --target", 0)
    elseif options.target and not options.data then
      error("new: --target names columns of the table of --data", 0)
    end
    local recipe, stub = name .. ".lua", not options.data and not options.images and name .. ".csv" or nil
    for _, file in ipairs { recipe, stub } do
      if core.stat(file) then
        error(("'%s' exists; mtl new does not overwrite files"):format(file), 0)
      end
    end
    if stub then
      core.file_write(stub, example())
    end
    local shown = stub or options.data
    local made = options.images and image_recipe(name, options.images)
      or table_recipe(name, shown, shown, stub and { "price", "grade" } or options.target)
    core.file_write(recipe, made)
    local folder = outside(options.images or options.data)
    text.say(("%s%s. Now: mtl run %s%s"):format(recipe, stub and " and " .. stub or "", recipe,
      folder and " --data " .. folder or ""))
  end,
}
