--- What a constructor of declarations was called with, as options by name.
local nearest = require "mtl.nearest"
local param = require "mtl.param"
local place = require "mtl.place"
local sorted = require "mtl.sorted"

local arguments = {}

--- "loss.huber"
function arguments.title(definition)
  return definition.family.kind .. "." .. definition.name
end

--- Option names for messages.
function arguments.keys(definition)
  return sorted(definition.params)
end

function arguments.unknown(definition, key)
  return ("%s: unknown option '%s'%s"):format(arguments.title(definition), tostring(key),
    nearest.hint(key, arguments.keys(definition)))
end

-- Puts one entry of an options table where it belongs; `key` may be a place in the list of children.
local function put(definition, options, key, value)
  if math.type(key) == "integer" and definition.list then
    options[definition.list] = options[definition.list] or {}
    options[definition.list][key] = value
  elseif definition.gather and type(key) == "string" and not definition.params[key] then
    options[definition.gather] = options[definition.gather] or {}
    options[definition.gather][key] = value
  elseif definition.params[key] then
    options[key] = value
  elseif type(key) == "string" then
    place.fail(arguments.unknown(definition, key))
  else
    place.fail(("%s: options are given by name: %s"):format(arguments.title(definition),
      table.concat(arguments.keys(definition), ", ")))
  end
end

--- Arguments to options: positional ones in order, then a table.
function arguments.read(definition, ...)
  local n, given, options, at = select("#", ...), { ... }, {}, 1
  local positional = definition.positional or {}
  for _, name in ipairs(positional) do
    local value = given[at]
    local options_table = param.plain(value) and at == n and #value == 0
      and not param.takes_table(definition.params[name], value)
    if at > n or options_table then
      break
    end
    options[name] = value
    at = at + 1
  end
  if at == n and param.plain(given[n]) then
    for key, value in pairs(given[n]) do
      put(definition, options, key, value)
    end
  elseif at < n or given[at] ~= nil then
    local list = definition.list and "{ ... }" or #positional > 0 and "(" .. table.concat(positional, ", ") ..
      "[, { options by name }])" or "{ options by name }"
    place.fail(("%s: argument %d is %s; it is called as %s %s"):format(arguments.title(definition), at,
      param.show(given[at]), arguments.title(definition), list))
  end
  return options
end

return arguments
