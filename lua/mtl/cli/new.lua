--- mtl new NAME: a recipe to begin with, for a made-up table, a table that is there, or a folder of images.
local core = require "mtl.core"
local args = require "mtl.cli.args"
local home = require "mtl.home"
local path = require "mtl.path"
local plan = require "mtl.cli.plan"
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
    declared[t.name] = { column = t.column, classes = t.classes, normalize = t.normalize, log = t.log }
    names[i] = t.name
  end
  return declared, names
end

-- Makes the recipe's text. @return it, lines on what was found out
local function write(name, set, s, data, trunk, names)
  return starter.recipe { name = name, data = data, trunk = trunk, tasks = tasks_of(set, names),
    steps = math.ceil(set.rows.train / s.batch), select = set.rows.valid ~= nil }, plan.notes(s)
end

local function table_recipe(name, file, shown, wanted)
  local s = plan.csv(file, shown, wanted)
  local declared, names = declare(s.targets)
  local set = open(require "mtl.data".csv { path = file, separator = s.how.separator, decimal = s.how.decimal,
    missing = s.how.missing, inputs = s.inputs, targets = declared })
  return write(name, set, s, starter.csv(s), starter.dense, names)
end

local function image_recipe(name, dir, labels)
  dir = dir:gsub("(.)/+$", "%1")
  path.check(dir, "folder")
  local data, beside = require "mtl.data", path.join(dir, "labels.csv")
  labels = labels or core.stat(beside) and beside
  local s = labels and plan.labels(labels, labels) or {}
  s.dir, s.batch = dir, 32
  local folders = labels and require "mtl.data.files".subfolders(dir) or {}
  if #folders > 1 then
    table.sort(folders)
    table.insert(s.dropped, { column = ("the folders %s"):format(table.concat(folders, ", ", 1, math.min(#folders, 10))
      .. (#folders > 10 and ", ..." or "")), why = ("put them into a column of %s to learn them"):format(labels) })
  end
  local options, names = { dir = dir, labels = s.labels, file = s.file }, nil
  for key, value in pairs(s.how or {}) do
    options[key] = value
  end
  if labels then
    options.targets, names = declare(s.targets)
  end
  local ok, set = pcall(open, data.images(options), dir)
  if not ok and tostring(set):find "transforms = { mtl.transform.resize" then
    s.resize, options.transforms = { 64, 64 }, { require "mtl.transform".resize(64, 64) }
    ok, set = pcall(open, data.images(options), dir)
  end
  if not ok then
    error((tostring(set):gsub('give labels = "labels.csv"', "name a table of what they show: --labels FILE")), 0)
  end
  return write(name, set, s, starter.images(s), starter.convolutions(set.input_shapes[1]), names)
end

-- Where the recipe cannot reach the data, --data has to say so.
local function outside(shown)
  local folder = shown and core.realpath(shown)
  return folder and not path.below(folder, core.realpath ".") and path.split(folder) or nil
end

-- Tells editors where mtl's annotations lie, unless this is a folder of mtl's own, or lies around them.
-- @return the name of the file written, or nil; else what to add to the one that was there, or nil
local function point_editors()
  local file, folder, here = ".luarc.json", home.annotations(), core.realpath "."
  local checkout = folder and folder:match "^(.*)/docs/luals$"
  if not folder or path.below(folder, here) or checkout and path.below(here, checkout) then
    return nil
  elseif not core.stat(file) and not core.is_link(file) then
    local settings = { ["runtime.version"] = "Lua 5.4", ["workspace.library"] = { folder } }
    core.file_write(file, core.json_encode(settings, true) .. "\n")
    return file
  end
  local ok, said = pcall(core.file_read, file)
  return nil, not (ok and said:find(folder, 1, true))
    and ('for editors, %s lacks "workspace.library": ["%s"]'):format(file, folder) or nil
end

return {
  name = "new",
  summary = "a recipe to begin with",
  usage = { "mtl new NAME", "mtl new NAME --data FILE.csv [--target COLUMN,COLUMN]",
    "mtl new NAME --images DIR [--labels FILE.csv]" },
  arguments = { "NAME" },
  options = {
    { name = "data", value = "FILE", read = args.path, help = "for this table (default: a made-up one, NAME.csv)" },
    { name = "target", value = "A,B", read = args.names "names of columns, as price,grade",
      help = "columns to learn (default: the last one)" },
    { name = "images", value = "DIR", read = args.path,
      help = "for these PNG images: a folder a class, or labels.csv in DIR with a column `file`" },
    { name = "labels", value = "FILE", read = args.path, help = "table of what the images of --images show" },
  },
  notes = [[
It writes NAME.lua into this folder, with comments on what to change, and .luarc.json, by which editors find mtl's
annotations and complete recipes (outside of a checkout of mtl). It never overwrites a file.]],
  run = function(options, rest)
    local name = rest[1]:gsub("%.lua$", "")
    if not name:find "^[%w_][%w_%-]*$" then
      error(("new: NAME is '%s', which should be letters, digits, '_' and '-'"):format(rest[1]), 0)
    elseif options.images and (options.data or options.target) then
      error("new: --images exclude --data and --target", 0)
    elseif options.labels and not options.images then
      error("new: --labels is a table of the images of --images", 0)
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
    local made, notes
    if options.images then
      made, notes = image_recipe(name, options.images, options.labels)
    else
      made, notes = table_recipe(name, shown, shown, stub and { "price", "grade" } or options.target)
    end
    core.file_write(recipe, made)
    local editors, lacks = point_editors()
    local folder = outside(options.images or options.data)
    for _, note in ipairs(notes) do
      text.say(text.clean(note))
    end
    if lacks then
      text.say(text.clean(lacks))
    end
    local written = { recipe }
    written[#written + 1] = stub
    written[#written + 1] = editors and editors .. " (for editors)"
    text.say(("%s. Now: mtl run %s%s"):format(table.concat(written, ", "):gsub(", ([^,]*)$", " and %1"), recipe,
      folder and " --data " .. folder or ""))
  end,
}
