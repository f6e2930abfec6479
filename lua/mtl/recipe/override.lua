--- `--set path=value`: changes a recipe's table before it is checked. A path goes through tables by key, lists by
-- place or by the `name` of an element, and declarations by option: stages.2.policy.gamma=1,
-- tasks.left.loss.smoothing=0.1. A declaration may be replaced by a name: policy=focal, tasks.left.kpi=f1,
-- optimizer.schedule=cosine; with its options as policy=focal{gamma=1,normalize=true}.
local arguments = require "mtl.arguments"
local declare = require "mtl.declare"
local nearest = require "mtl.nearest"
local param = require "mtl.param"

local override = {}

local named = { policy = "mtl.policy", loss = "mtl.loss", kpi = "mtl.kpi", optim = "mtl.optim", schedule = "mtl.optim" }

-- What may stand in a table on a command line beside constants: policy.mgda(). A word alone is a mistake.
local words = setmetatable({}, {
  __index = function(_, word)
    local family = named[word]
    return family and require(family) or error(("%s: a text stands in quotes: \"%s\""):format(word, word), 0)
  end,
})

-- A table of such, as Lua writes it.
local function constant(text)
  local chunk, message = load("return " .. text, "=value", "t", words)
  return assert(chunk, message)()
end

--- A value as people write it on a command line: a number, true, false, nil, a table of such, else a text.
function override.value(text, spec)
  if spec and spec.type == "string" then
    return text
  end
  local constants = { ["true"] = true, ["false"] = false }
  if tonumber(text) then
    return math.tointeger(tonumber(text)) or tonumber(text)
  elseif constants[text] ~= nil or text == "nil" then
    return constants[text]
  elseif spec and named[spec.type] then
    local family = require(named[spec.type])
    local name, options = text:match "^([%w_]+)%s*(%b{})$"
    for _, known in ipairs(family.names()) do
      if known == text then
        return family[known]()
      elseif known == name then
        return family[known](constant(options))
      end
    end
    error(nearest.unknown(spec.type, name or text, family.names()), 0)
  elseif text:find "^%s*{" then
    return constant(text)
  end
  return text:match "^\"(.*)\"$" or text
end

-- What a path's segment stands for in a table.
local function resolve(node, segment)
  local place = math.tointeger(tonumber(segment))
  if place then
    return place
  end
  for i, element in ipairs(node) do
    if type(element) == "table" and element.name == segment then
      return i
    end
  end
  return segment
end

-- Names that could stand at this point, for messages.
local function choices(node, schema)
  local names = {}
  for key, value in pairs(node) do
    local name = math.type(key) and type(value) == "table" and value.name or key
    names[tostring(name)] = true
  end
  for key in pairs(schema or {}) do
    names[key] = true
  end
  return names
end

local function set(node, path, i, text, schema_at)
  local segment, last = path[i], i == #path
  local so_far = table.concat(path, ".", 1, i - 1)
  if type(node) ~= "table" then
    error(("'%s' is %s, which has no parts"):format(so_far, param.show(node)), 0)
  end
  local key = resolve(node, segment)
  if declare.is(node) then
    local definition = declare.definition(node)
    if definition.list and math.type(key) then
      local list = table.move(node[definition.list], 1, #node[definition.list], 1, {})
      list[key] = set(list[key], path, i + 1, text, schema_at)
      return assert(declare.with(node, definition.list, list))
    end
    local spec = definition.params[key]
    if not spec and not definition.gather then
      error(arguments.unknown(definition, key), 0)
    end
    local changed, message
    if last then
      changed, message = declare.with(node, key, override.value(text, spec))
    else
      changed, message = declare.with(node, key, set(node[key], path, i + 1, text, schema_at))
    end
    return changed or error(message, 0)
  end
  local schema = schema_at(path, i)
  if node[key] == nil and not last and schema and schema[key] then
    error(("the recipe sets no '%s', so '%s' of it cannot be changed"):format(table.concat(path, ".", 1, i),
      path[i + 1]), 0)
  elseif node[key] == nil and not (last and (not schema or schema[key])) then
    error(("%s has no '%s'%s"):format(so_far == "" and "the recipe" or "'" .. so_far .. "'", segment,
      nearest.hint(segment, choices(node, schema))), 0)
  end
  if last then
    node[key] = override.value(text, schema and schema[key])
  else
    node[key] = set(node[key], path, i + 1, text, schema_at)
  end
  return node
end

--- Applies { { "path", "value" }, ... } to a recipe's table, in order.
-- @param schema_at function(path, i) -> option specs of the table that path[i] is a key of, or nil
function override.apply(t, list, schema_at)
  for _, entry in ipairs(list) do
    local path = {}
    for segment in (entry[1] .. "."):gmatch "(.-)%." do
      path[#path + 1] = segment
    end
    local ok, message = pcall(set, t, path, 1, entry[2], schema_at)
    if not ok then
      error(("--set %s=%s: %s"):format(entry[1], entry[2], tostring(message)), 0)
    end
  end
end

return override
