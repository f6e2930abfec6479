--- Completion at the prompt: names in scope, fields, methods; keys of recipes, tasks and stages, and options of
-- constructors, where a table is written; in a string file names, topics of help, data sets, splits.
local core = require "mtl.core"
local context = require "mtl.cli.context"
local declare = require "mtl.declare"
local members = require "mtl.cli.members"
local path = require "mtl.path"
local sorted = require "mtl.sorted"

local complete = {}

--- What a line may begin with besides Lua.
complete.commands = { "%time", "%load", "%device" }

local keywords = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
  until while]]):gmatch "%a+" do
  keywords[word] = true
end

-- Those that begin so. What begins with "_" is shown to who asks for it.
local function starting(list, start, tail)
  local found = {}
  for _, word in ipairs(list) do
    if word:sub(1, #start) == start and (start ~= "" or word:sub(1, 1) ~= "_") then
      found[#found + 1] = word .. (tail or "")
    end
  end
  return found
end

-- Files that begin so. @param close what ends a name that is whole
local function files(start, close)
  local folder, name = start:match "^(.*/)([^/]*)$"
  folder, name = folder or "", name or start
  local ok, list = pcall(core.listdir, folder == "" and "." or folder)
  local found = {}
  for _, file in ipairs(ok and list or {}) do
    local stat = file:sub(1, #name) == name and (name ~= "" or file:sub(1, 1) ~= ".") and not file:find "[\"'\\%c]"
      and core.stat(path.join(folder, file))
    if stat then
      found[#found + 1] = folder .. file .. (stat.type == "folder" and "/" or close)
    end
  end
  table.sort(found)
  return found
end

local function datasets()
  local ok, list = pcall(function()
    return core.listdir(require "mtl.home".datasets())
  end)
  local names = {}
  for _, file in ipairs(ok and list or {}) do
    names[#names + 1] = file:match "^(.*)%.lua$"
  end
  table.sort(names)
  return names
end

local function devices()
  local names = { "cpu" }
  for i in ipairs(core.devices()) do
    names[i + 1] = "opencl:" .. i
  end
  return names
end

-- What a string may say that is given to these.
local of_strings = {
  help = function() return require "mtl.cli.manual".topics() end,
  dataset = datasets,
  evaluate = function() return { "test", "train", "valid" } end,
  batch = function() return { "test", "train", "valid" } end,
  plot = function() return { "kpi", "loss", "weight" } end, -- or the folder of a run
}

local function strings(at, quote)
  local head = (at.head or ""):match "[%a_]*$"
  local found = of_strings[head] and starting(of_strings[head](), at.string, quote)
  if found and (#found > 0 or head ~= "plot") then
    return at.string, found
  end
  return at.string, files(at.string, quote)
end

-- Keys that a table may have which is written inside these brackets, or nil.
local function keys_of(inside, env)
  local function is_recipe(at)
    return at and at.open == "{" and at.head and at.head:match "[%a_]*$" == "recipe"
  end
  local recipe = require "mtl.recipe"
  local outer = inside.parent
  if is_recipe(inside) then
    return recipe.keys
  elseif inside.head then
    local definition = declare.definition(members.value(inside.head, env))
    return definition and definition.params
  elseif outer and not inside.key and is_recipe(outer.parent) then
    return outer.key == "tasks" and require "mtl.recipe.tasks".keys
      or outer.key == "stages" and require "mtl.recipe.stages".keys or nil
  end
end

local function names(word, at, env)
  local base, mark, start = word:match "^(.*)([%.:])([%a_]?[%w_]*)$"
  if base then
    local value = members.value(base, env)
    return start, value ~= nil and starting(members.names(value, mark == ":"), start) or {}
  end
  local found = {}
  local inside = at.inside
  if inside and inside.open == "{" and (at.last == "{" or at.last == "," or at.last == ";") then
    local keys = keys_of(inside, env)
    found = keys and starting(sorted(keys), word, " = ") or found
    if #found > 0 then
      return word, found
    end
  end
  local all = {}
  for name in pairs(keywords) do
    all[name] = word ~= ""
  end
  for _, name in ipairs(members.names(env)) do
    all[name] = true
  end
  for _, name in ipairs(starting(sorted(all), word)) do
    found[#found + 1] = all[name] and name or nil
  end
  return word, found
end

--- @param before the lines of the input so far, or ""
-- @param line what stands before the cursor in this one
-- @param env the globals
-- @return what of the line is completed, and the whole words that it may become
function complete.find(before, line, env)
  local command, rest = line:match "^(%%%a*)%s+(.*)$"
  if before == "" and line:find "^%%%a*$" then
    return line, starting(complete.commands, line, " ")
  elseif before == "" and command == "%load" then
    return rest, files(rest, "")
  elseif before == "" and command == "%device" then
    return rest, starting(devices(), rest)
  end
  local text = before .. (command and rest or line)
  local word = text:match "([%a_][%w_%.:%[%]\"']*)$" or ""
  local at = context.of(text)
  if at.string then
    return strings(at, text:sub(#text - #at.string, #text - #at.string))
  elseif at.closed then
    return "", {}
  end
  local rest_of = text:sub(1, #text - #word)
  if rest_of:find "[%)%]}\"'][%.:]$" then -- a field of what only running could tell
    return "", {}
  end
  return names(word, context.of(rest_of), env)
end

local function common(list)
  local prefix = list[1]
  for _, word in ipairs(list) do
    while word:sub(1, #prefix) ~= prefix do
      prefix = prefix:sub(1, -2)
    end
  end
  return prefix
end

-- Names side by side, down and then across.
local function columns(list, width)
  local widest = 0
  for i, word in ipairs(list) do
    list[i] = word:gsub(" = $", ""):gsub("[\"']$", ""):gsub("^.*/(.)", "%1")
    widest = math.max(widest, utf8.len(list[i]) or #list[i])
  end
  local across = math.max(1, width // (widest + 2))
  local down = math.ceil(#list / across)
  local lines = {}
  for row = 1, down do
    local line = {}
    for i = row, #list, down do
      line[#line + 1] = list[i] .. (" "):rep(widest + 2 - (utf8.len(list[i]) or #list[i]))
    end
    lines[row] = table.concat(line):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

--- What Tab does: a text to insert, and lines to show where there is no more to insert than one of several.
function complete.tab(before, line, env, width)
  if not line:find "%S" then
    return "  "
  end
  local start, list = complete.find(before, line, env)
  local more = #list > 0 and common(list):sub(#start + 1) or ""
  return more, more == "" and #list > 1 and columns(list, width) or nil
end

return complete
