--- Checks of options: a spec is { type = "number or by_task", default =, required =, above =, least =, most =, below =,
-- choices = { ... }, check = function(value) -> message }. Ranges hold for every number in the value.
local nearest = require "mtl.nearest"

local param = {}

local function plain(v)
  return type(v) == "table" and getmetatable(v) == nil
end

local function finite(v)
  return type(v) == "number" and v == v and v ~= math.huge and v ~= -math.huge
end

local function whole(v, least)
  return finite(v) and v == math.floor(v) and v >= least and v < 2 ^ 53
end

local function sequence(v, accepts)
  if not plain(v) then
    return false
  end
  local n = 0
  for _ in pairs(v) do
    n = n + 1
  end
  for i = 1, n do
    if not accepts(v[i]) then
      return false
    end
  end
  return true, n
end

local function declaration(v, kind)
  return type(v) == "table" and getmetatable(v) ~= nil and v.kind == kind
end

local function pair(v, least)
  local ok, n = sequence(v, function(x)
    return whole(x, least)
  end)
  return whole(v, least) or ok and n == 2
end

local function by_name(v)
  if not plain(v) or next(v) == nil then
    return false
  end
  for name, x in pairs(v) do
    if type(name) ~= "string" or not finite(x) then
      return false
    end
  end
  return true
end

-- What each type accepts, and how it is said. Any other name is a kind of declaration.
local types = {
  any = { "anything", function() return true end },
  boolean = { "true or false", function(v) return type(v) == "boolean" end },
  string = { "a text", function(v) return type(v) == "string" end },
  ["function"] = { "a function", function(v) return type(v) == "function" end },
  table = { "a table", plain },
  number = { "a number", finite },
  integer = { "a whole number", function(v) return whole(v, -2 ^ 53) end },
  size = { "a whole number of at least 1", function(v) return whole(v, 1) end },
  count = { "a whole number of at least 0", function(v) return whole(v, 0) end },
  pair = { "a whole number of at least 1, or two: { height, width }", function(v) return pair(v, 1) end },
  counts = { "a whole number of at least 0, or two: { height, width }", function(v) return pair(v, 0) end },
  numbers = { "a list of numbers", function(v) return (sequence(v, finite)) end },
  strings = { "a list of texts", function(v)
    return (sequence(v, function(x) return type(x) == "string" end))
  end },
  by_task = { "a table of numbers by task name", by_name },
  tensor = { "a tensor", function(v) return type(v) == "userdata" and getmetatable(v) == "mtl.tensor" end },
}

-- Kinds of declarations, as people call them.
local kinds = { nn = "a layer, as nn.linear(nil, 10)", loss = "a loss, as loss.mse()", kpi = "a KPI, as kpi.accuracy()",
  policy = "a policy, as policy.uniform()", optim = "an optimizer, as optim.adam()",
  when = "a condition, as when.epochs(10)", data = "data, as mtl.dataset(\"multimnist\")",
  schedule = "a schedule, as optim.cosine()", transform = "a transform, as transform.random_flip()" }

local function accepts(name, v)
  if types[name] then
    return types[name][2](v)
  end
  return declaration(v, name)
end

local function alternatives(type_name)
  return (type_name .. " or "):gmatch "(.-) or "
end

local ranges = {
  { "above", "above", function(v, bound) return v > bound end },
  { "least", "of at least", function(v, bound) return v >= bound end },
  { "below", "below", function(v, bound) return v < bound end },
  { "most", "at most", function(v, bound) return v <= bound end },
}

local function in_range(spec, v)
  for _, range in ipairs(ranges) do
    if spec[range[1]] and not range[3](v, spec[range[1]]) then
      return false
    end
  end
  return true
end

--- What an option's value should be, as messages and the manual say it: "a number above 0".
function param.expected(spec)
  local list, bounds = {}, {}
  for i, choice in ipairs(spec.choices or {}) do
    list[i] = param.show(choice)
  end
  if spec.choices then
    return "one of " .. table.concat(list, ", ")
  end
  for name in alternatives(spec.type or "any") do
    list[#list + 1] = types[name] and types[name][1] or kinds[name] or "a " .. name
  end
  for _, range in ipairs(ranges) do
    if spec[range[1]] then
      bounds[#bounds + 1] = ("%s %g"):format(range[2], spec[range[1]])
    end
  end
  local text = table.concat(list, " or ")
  if #bounds == 0 then
    return text
  end
  return text .. (#list > 1 and ", each " or " ") .. table.concat(bounds, " and ")
end

--- A value as a message shows it.
function param.show(v)
  if type(v) == "string" then
    return ("'%s'"):format(v:sub(1, 60))
  elseif type(v) == "number" then
    return math.type(v) == "integer" and tostring(v) or ("%.14g"):format(v)
  elseif sequence(v, function(x) return type(x) == "number" or type(x) == "string" end) and #v > 0 and #v <= 8 then
    local shown = {}
    for i, x in ipairs(v) do
      shown[i] = param.show(x)
    end
    return "{ " .. table.concat(shown, ", ") .. " }"
  elseif plain(v) then
    return "a table"
  elseif type(v) == "function" or type(v) == "userdata" then
    return "a " .. type(v)
  end
  return tostring(v)
end

--- Whether a table given here is this option's value (else it is the table of options).
function param.takes_table(spec, v)
  for name in alternatives(spec.type or "any") do
    if name ~= "any" and accepts(name, v) then
      return true
    end
  end
  return false
end

--- The first place of a table that is empty while a later one is not: what was nil when a list was written; else nil.
function param.hole(v)
  local n, last = 0, 0
  for key in pairs(v) do
    if math.type(key) == "integer" and key >= 1 then
      n, last = n + 1, math.max(last, key)
    end
  end
  for i = 1, last > n and last or 0 do
    if v[i] == nil then
      return i
    end
  end
end

--- @return nil, or what is wrong with the value: "delta is -1, which should be a number above 0"
function param.wrong(spec, name, v)
  if v == nil then
    return spec.required and ("%s is missing; it should be %s"):format(name, param.expected(spec)) or nil
  end
  if spec.choices then
    for _, choice in ipairs(spec.choices) do
      if v == choice then
        return nil
      end
    end
    local near = type(v) == "string" and nearest.find(v, spec.choices)
    return ("%s is %s, which should be %s%s"):format(name, param.show(v), param.expected(spec),
      near and ("; did you mean '%s'?"):format(near) or "")
  end
  local hole = plain(v) and param.hole(v)
  if hole then
    return ("%s has nil in place %d, and more after it"):format(name, hole)
  end
  local fits = false
  for type_name in alternatives(spec.type or "any") do
    fits = fits or accepts(type_name, v)
  end
  local bad, where = v, name
  if fits and plain(v) then
    for key, x in pairs(v) do
      if type(x) == "number" and not in_range(spec, x) then
        fits, bad, where = false, x, ("%s.%s"):format(name, key)
      end
    end
  elseif fits and type(v) == "number" then
    fits = in_range(spec, v)
  end
  if not fits then
    return ("%s is %s, which should be %s"):format(where, param.show(bad), param.expected(spec))
  end
  return spec.check and spec.check(v) or nil
end

--- A default of its own for each declaration.
function param.default(spec)
  local value = spec.default
  if plain(value) then
    value = table.move(value, 1, #value, 1, {})
  end
  return value
end

param.plain = plain

return param
