--- help(x), help "policy.focal", help: pages of the manual at the prompt.
local core = require "mtl.core"
local declare = require "mtl.declare"
local manual = require "mtl.cli.manual"
local markdown = require "mtl.cli.markdown"
local members = require "mtl.cli.members"

local overview = [[
A line is run when it is whole, and an expression prints its values; they stay as `_` (the first), `_1`, `_2`, ...

| Tab | completes names, fields, methods, keys of recipes, and file names in quotes |
| ^C | gives up a line, interrupts what runs |
| ^R | looks for a line in the history |
| ^D, exit | leaves |
| help "policy.focal" | a page of the manual; help(x) on a value; help "guide", "recipe", "lua", "repl" are long ones |
| help "loss" | what losses there are; so "kpi", "metric", "policy", "layer" |
| help "WORD" | the places where the manual speaks of it |
| %time CODE | runs it and says how long it took |
| %load FILE | runs a file of Lua |
| %device [NAME] | what computes: cpu, opencl, opencl:N |

With a recipe or a run (`mtl repl RECIPE`, `mtl repl RUN`):

| model | its layers; model(batch().inputs) computes |
| batch([split]) | the next batch as the model sees it |
| step(n) | n steps of training (1) |
| evaluate([split]) | losses, KPIs and metrics |
| plot([figure]) | curves of the steps made at this prompt: "loss", "kpi", "weight"; plot(run) draws those of a run |
| policy = policy.pcgrad() | weighs in another way from the next step on; nil: as the recipe says |
]]

local function bold(s)
  return core.isatty(1) and os.getenv "TERM" ~= "dumb" and "\27[1m" .. s .. "\27[0m" or s
end

local function lines_of(page)
  return table.concat(markdown(page, math.min(core.columns(1) or 100, 100), bold), "\n")
end

-- A topic for a value: its constructor's page, its kind's.
local function topic_of(value)
  local definition = declare.definition(value)
  if definition then
    return definition.family.kind .. "." .. definition.name
  end
  local mtl = require "mtl"
  for _, name in ipairs(members.names(mtl)) do
    if rawequal(members.get(mtl, name), value) then
      return name
    end
  end
end

-- What can be called of a value that has no page.
local function methods_of(value)
  local names = members.names(value, true)
  local kind = core.type(value) or type(value) == "table" and (debug.getmetatable(value) or {}).__name or type(value)
  return #names > 0 and ("%s, with the methods\n\n%s"):format(kind, table.concat(names, ", ")) or nil
end

local function help(_, topic, ...)
  if topic == nil and select("#", ...) == 0 then
    print(lines_of(overview))
    return
  end
  local name = type(topic) == "string" and topic or topic_of(topic)
  local page = name and manual.topic(name) or type(topic) ~= "string" and methods_of(topic)
  if not page then
    error(("help: there is nothing on %s"):format(type(topic) == "string" and "'" .. topic .. "'" or "this "
      .. type(topic)), 0)
  end
  print(lines_of(page))
end

return setmetatable({}, { __call = help, __tostring = function()
  return lines_of(overview)
end })
