--- A value as the prompt shows it: plain tables with what they hold, constructors as they are called, long declarations
-- in lines, recipes and models as tables; everything else as it prints itself.
local core = require "mtl.core"
local brief = require "mtl.cli.brief"
local declare = require "mtl.declare"
local layers = require "mtl.cli.layers"
local manual = require "mtl.cli.manual"
local members = require "mtl.cli.members"
local text = require "mtl.cli.text"

local MOST, DEEPEST, WIDTH = 50, 4, 100
local LARGE = 64 -- elements of a tensor within a table: from there on only what it is

local show

local function name_of(key)
  return type(key) == "string" and key:find "^[%a_][%w_]*$" and key or "[" .. (type(key) == "string"
    and ("%q"):format(key) or tostring(key)) .. "]"
end

local function order(a, b)
  if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then
    return a < b
  end
  return type(a) == "number" or type(b) ~= "number" and tostring(a) < tostring(b)
end

-- Parts within braces, in one line where they fit.
local function braces(parts, indent)
  local length = 0
  for _, part in ipairs(parts) do
    length = part:find "\n" and WIDTH or length + #part + 2
  end
  if #parts == 0 then
    return "{}"
  elseif length < WIDTH then
    return "{ " .. table.concat(parts, ", ") .. " }"
  end
  return "{\n" .. indent .. "  " .. table.concat(parts, ",\n" .. indent .. "  ") .. "\n" .. indent .. "}"
end

local function show_table(value, depth, indent)
  local keys, parts = {}, {}
  for key in next, value do
    keys[#keys + 1] = key
  end
  table.sort(keys, order)
  for i = 1, math.min(#keys, MOST) do
    local key = keys[i]
    local shown = show(value[key], depth + 1, indent .. "  ")
    parts[i] = key == i and shown or name_of(key) .. " = " .. shown
  end
  if #keys > MOST then
    parts[#parts + 1] = ("... (%d in all)"):format(#keys)
  end
  return braces(parts, indent)
end

-- A declaration that is too long for a line: the elements of its list, or its options.
local function show_declaration(value, depth, indent)
  local definition, parts = declare.definition(value), {}
  local title = value.kind .. "." .. value.type .. " "
  if definition.list then
    for i, element in ipairs(value[definition.list]) do
      parts[i] = show(element, depth + 1, indent .. "  ")
    end
    return title .. braces(parts, indent)
  end
  local options = {}
  for name in pairs(definition.params) do
    options[name] = value[name]
  end
  return title .. show_table(options, depth, indent)
end

local function is_recipe(value)
  return rawget(value, "model_json") and type(rawget(value, "stages")) == "table"
end

local function show_recipe(r)
  local tasks = { { "task", "loss", "KPI", "head" } }
  local stages = { { "stage", "tasks", "policy", "optimizer", "ends" } }
  for i, task in ipairs(r.tasks) do
    tasks[i + 1] = { task.name, brief(task.loss), brief(task.kpi), task.head and brief(task.head) or "in the model" }
  end
  for i, stage in ipairs(r.stages) do
    stages[i + 1] = { stage.name, table.concat(stage.tasks, ", "), brief(stage.policy), brief(stage.optimizer),
      brief(stage.ends) }
  end
  local lines = text.table(tasks, {})
  lines[#lines + 1] = ""
  for _, line in ipairs(text.table(stages, {}, { 1, 2 })) do
    lines[#lines + 1] = line
  end
  return (tostring(r) .. "\n  " .. table.concat(lines, "\n  "):gsub("\n +\n", "\n\n"))
end

local function show_names(names)
  return "with: " .. table.concat(text.wrap(names, WIDTH), "\n")
end

function show(value, depth, indent)
  local kind = type(value)
  if kind == "string" and depth > 0 then
    return ("%q"):format(value)
  elseif core.type(value) == "mtl.tensor" and depth > 0 and value:count() >= LARGE then
    return ("tensor %s [%s], %s"):format(value:dtype(), table.concat(value:shape(), ", "), value:device())
  elseif declare.is(value) and #tostring(value) + #indent > WIDTH and depth < DEEPEST then
    return show_declaration(value, depth, indent)
  elseif kind == "function" and declare.definition(value) then
    return manual.signature(declare.definition(value))
  elseif core.type(value) == "mtl.model" and depth == 0 then
    return table.concat(layers.lines(value), "\n")
  elseif kind == "table" and is_recipe(value) and depth == 0 then
    return show_recipe(value)
  elseif kind == "table" and members.is_space(value) then
    return (show_names(members.names(value)):gsub("\n", "\n" .. indent))
  elseif kind ~= "table" or members.prints(value) or depth >= DEEPEST then
    return (tostring(value):gsub("\n", "\n" .. indent))
  end
  return show_table(value, depth, indent)
end

return function(value)
  return show(value, 0, "")
end
