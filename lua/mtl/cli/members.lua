--- What can be named at the prompt: the values behind names, and the names within values. Nothing of other people's
-- runs: of __index functions only mtl's own are called.
local core = require "mtl.core"
local place = require "mtl.place"

local members = {}

local function metatable(value)
  local meta = debug.getmetatable(value)
  return type(meta) == "table" and meta or {}
end

-- The __index of a value. A tensor's is a function, for t[i], that holds the table of its methods.
local function index_of(value)
  local index = metatable(value).__index
  if core.type(value) and type(index) == "function" then
    local _, methods = debug.getupvalue(index, 1)
    return methods
  end
  return index
end

local function is_own(f)
  return type(f) == "function" and debug.getinfo(f, "S").source:sub(1, #place.own) == place.own
end

--- Whether a table is mtl itself or one of its families, which find their members when these are first named.
function members.is_space(value)
  local meta = metatable(value)
  return is_own(meta.__names) or not meta.__tostring and is_own(meta.__index) and is_own(rawget(value, "names"))
end

--- Whether a value has a text of its own.
function members.prints(value)
  return metatable(value).__tostring ~= nil
end

--- The field of a value, or nil.
function members.get(value, key)
  for _ = 1, 20 do
    if type(value) == "table" and rawget(value, key) ~= nil then
      return rawget(value, key)
    end
    local index = index_of(value)
    if is_own(index) then
      local ok, found = pcall(index, value, key)
      return ok and found or nil
    elseif type(index) ~= "table" then
      return nil
    end
    value = index
  end
end

local function collect(value, names, depth)
  local meta = metatable(value)
  if is_own(meta.__names) then
    for _, name in ipairs(meta.__names()) do
      names[name] = true
    end
  end
  local family = type(value) == "table" and rawget(value, "names")
  if is_own(family) then -- members of a family that nobody has asked for yet
    for _, name in ipairs(family()) do
      names[name] = true
    end
  end
  for key in next, type(value) == "table" and value or {} do
    names[key] = true
  end
  local index = index_of(value)
  if type(index) == "table" and depth < 20 then
    collect(index, names, depth + 1)
  end
end

--- Names within a value, sorted. @param methods whether only functions
function members.names(value, methods)
  local names, list = {}, {}
  collect(value, names, 0)
  for name in pairs(names) do
    if type(name) == "string" and name:find "^[%a_][%w_]*$" then
      if not methods or type(members.get(value, name)) == "function" then
        list[#list + 1] = name
      end
    end
  end
  table.sort(list)
  return list
end

--- The value behind "tasks[1].head", from the globals `env`; nil where there is none.
function members.value(path, env)
  local name, rest = path:match "^([%a_][%w_]*)(.*)$"
  local value = name and members.get(env, name)
  while value ~= nil and rest ~= "" do
    local key, after = rest:match "^[%.:]([%a_][%w_]*)(.*)$"
    if not key then
      key, after = rest:match "^%[(%d+)%](.*)$"
      key = math.tointeger(tonumber(key))
    end
    if not key then
      key, after = rest:match "^%[[\"']([^\"']*)[\"']%](.*)$"
    end
    if not key then
      return nil
    end
    value, rest = members.get(value, key), after
  end
  return value
end

return members
