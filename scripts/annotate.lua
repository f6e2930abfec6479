-- Annotations for LuaLS, from the registries and from what options may be, so that editors complete recipes and mark
-- what is misspelt: lua5.4 scripts/annotate.lua FOLDER, which holds the pages of scripts/manual.lua and takes
-- luals/mtl.lua. scripts/manual calls it.
local arguments = require "mtl.arguments"
local core = require "mtl.core"
local core_names = require "mtl.names"
local declare = require "mtl.declare"
local families_of_pages = require "families"
local members = require "mtl.cli.members"
local mtl = require "mtl"
local param = require "mtl.param"
local recipe = require "mtl.recipe"
local sorted = require "mtl.sorted"

local families = { "nn", "loss", "kpi", "metric", "policy", "optim", "when", "data", "transform" }
local folder, lines = arg[1], {}

local function add(format, ...)
  lines[#lines + 1] = format:format(...)
end

-- Types of param.lua, as LuaLS calls them; any other is a kind of declaration.
local types = { any = "any", boolean = "boolean", string = "string", ["function"] = "function", table = "table",
  number = "number", integer = "integer", size = "integer", count = "integer", pair = "integer|integer[]",
  counts = "integer|integer[]", numbers = "number[]", strings = "string[]", by_task = "table<string, number>",
  tensor = "mtl.tensor" }

local function type_of(spec)
  local list = {}
  for i, choice in ipairs(spec.choices or {}) do
    list[i] = ("%q"):format(choice)
  end
  for name in (not spec.choices and (spec.type or "any") .. " or " or ""):gmatch "(.-) or " do
    list[#list + 1] = types[name] or "mtl." .. name
  end
  return table.concat(list, "|")
end

local function told(spec)
  local default = param.default(spec)
  local known = default ~= nil and (type(default) ~= "table" or #default > 0)
  return param.expected(spec) .. (known and (" (%s)"):format(param.show(default)) or "")
end

-- What the manual's page of a declaration says first, and of an option; nothing where there is no page.
local function page_of(family, name)
  local pages, text = families_of_pages[family], ""
  if pages then
    local file <close> = assert(io.open(("%s/%s/%s.md"):format(folder, pages.folder, name), "rb"))
    text = file:read "a"
  end
  return text:match "\n# [^\n]*\n\n(.-)\n\n", function(option)
    local words = text:match("\n| `" .. option .. "` |[^\n]* | ([^\n]*) |\n")
    return words and words:gsub("\\|", "|") .. ": " or ""
  end
end

-- A constructor: its positional options in order, then a table of all; a list of layers, and names of one's own (as
-- tasks) stand in that table.
local function constructor(family, name)
  local definition = declare.definition(mtl[family][name])
  local class, positional = ("mtl.%s.%s.options"):format(family, name), definition.positional or {}
  local summary, words_of = page_of(family, name)
  add("")
  add("---@class %s", class)
  for _, key in ipairs(arguments.keys(definition)) do
    if key ~= definition.list then -- positional or by name, so none is required here
      local spec = definition.params[key]
      add("---@field %s? %s # %s%s", key, type_of(spec), words_of(key), told(spec))
    end
  end
  if definition.list then
    add("---@field [integer] %s", family == "nn" and "mtl.nn" or "mtl." .. family)
  end
  if definition.gather then
    add("---@field [string] any")
  end
  add("")
  for line in (summary or ""):gmatch "[^\n]+" do
    add("--- %s", line)
  end
  for _, key in ipairs(positional) do
    local spec = definition.params[key]
    add("---@param %s? %s|%s # %s%s", key, type_of(spec), class, words_of(key), told(spec))
  end
  add("---@param options? %s", class)
  add("---@return mtl.%s", definition.family.kind)
  local words = table.move(positional, 1, #positional, 1, {})
  add("function %s.%s(%s) end", family, name, table.concat(words, ", ") .. (#words > 0 and ", " or "") .. "options")
end

-- A table of a recipe. @param of by key, the type of a list
local function keys(class, specs, of)
  add("")
  add("---@class %s", class)
  for _, name in ipairs(sorted(specs)) do
    local spec = specs[name]
    local must = spec.required and name ~= "optimizer" -- Adam, unless told
    add("---@field %s%s %s # %s", name, must and "" or "?", of[name] or type_of(spec), told(spec))
  end
end

-- What is no tensor, of what functions of mtl.core and methods of tensors give.
local gives = { shape = "integer[]", rank = "integer", count = "integer", item = "number", totable = "any",
  dtype = "string", device = "string", bytes = "string", backward = "nil", zero_grad = "nil", grad = "mtl.tensor?",
  sort = "mtl.tensor, mtl.tensor", topk = "mtl.tensor, mtl.tensor", no_grad = "any", manual_seed = "nil" }

-- What people call on declarations, as the pages of the manual do.
local methods = { nn = "count eval freeze parameters train zero_grad", optim = "attach", policy = "weights",
  loss = "compute new", kpi = "merge new reset update value", metric = "merge new reset update value" }

add("---@meta mtl")
add("-- Written by scripts/manual: what LuaLS should know of mtl. Point its `workspace.library` here (docs/lua.md).")
add("")
add("---@class mtl.tensor")
for _, name in ipairs(members.names(mtl.tensor { 1 }, true)) do
  add("---@field %s fun(self: mtl.tensor, ...): %s", name, gives[name] or "mtl.tensor")
end
add("---@field [integer] mtl.tensor")
for _, operator in ipairs { "add", "sub", "mul", "div", "pow" } do
  add("---@operator %s(mtl.tensor|number): mtl.tensor", operator)
end
add("---@operator unm: mtl.tensor")
add("---@operator len: integer")
for _, family in ipairs(families) do
  add("")
  add("---@class mtl.%s", family)
  for name in (methods[family] or ""):gmatch "%S+" do
    add("---@field %s fun(self: mtl.%s, ...): any", name, family)
  end
  if family == "nn" then
    add("---@operator call(mtl.tensor): mtl.tensor")
  elseif family == "when" then
    add("---@operator bor(mtl.when): mtl.when")
    add("---@operator band(mtl.when): mtl.when")
  end
end
add("")
add("---@class mtl.schedule")
for _, family in ipairs(families) do
  add("")
  add("---@class mtl.%s.family", family) -- so that a member that is not there is marked
  add("local %s = {}", family)
  for _, name in ipairs(mtl[family].names()) do
    constructor(family, name)
  end
end

keys("mtl.recipe.task", require("mtl.recipe.tasks").keys, { metrics = "(mtl.metric|mtl.kpi)[]" })
keys("mtl.recipe.stage", require("mtl.recipe.stages").keys, {})
keys("mtl.recipe.keys", recipe.keys, { tasks = "mtl.recipe.task[]", stages = "mtl.recipe.stage[]" })

-- Of lua/mtl/stage.lua, which recipes see: it cannot give its table away.
keys("mtl.stages.incremental.options", { epochs = { default = 1, type = "size or table" }, ends = { type = "when" },
  policy = { type = "policy" }, first = { type = "policy" } }, {})
add("")
add("---@class mtl.stages")
add("---@field incremental fun(tasks: string[], options?: mtl.stages.incremental.options): mtl.recipe.stage[]")

local sets = {} -- names of data sets
for _, file in ipairs(core.listdir "datasets") do
  sets[#sets + 1] = file:match "^([%w_-]+)%.lua$" and ("%q|"):format(file:match "^[^.]*")
end

local functions = { -- whose arguments are worth more than "anything"
  recipe = "fun(keys: mtl.recipe.keys): table",
  dataset = "fun(name: " .. table.concat(sets) .. "string, options?: table): mtl.data",
  tensor = "fun(nested: any, dtype?: string): mtl.tensor",
}

add("")
add("---@class mtl")
for _, name in ipairs(members.names(mtl)) do
  if type(mtl[name]) == "function" then
    add("---@field %s %s", name, functions[name]
      or "fun(...): " .. (core_names[name] and (gives[name] or "mtl.tensor") or "any"))
  elseif name == "stages" then
    add("---@field stages mtl.stages")
  elseif type(mtl[name]) ~= "table" or not mtl[name].names then
    add("---@field %s %s", name, type(mtl[name]))
  end
end
add("local mtl = { %s }", (table.concat(families, ", "):gsub("%a+", "%0 = %0")))
add("")
add("return mtl")

local file <close> = assert(io.open(folder .. "/luals/mtl.lua", "wb"))
assert(file:write(table.concat(lines, "\n"), "\n"))
