--- Plain values out of files that may come from anyone (checkpoints, run.json): are they of the form that mtl writes?
local core = require "mtl.core"

local form = {}

local function is(value, kind)
  return math.type(value) == kind or type(value) == kind
end

--- The name of a part that is not of the form `want`, or nil.
-- @param want "integer", "number", "string", "boolean" or "table"; { form } of every value in a table; else a form for
-- each key, where "key?" may be missing or null
-- @param name of the value
function form.wrong(value, want, name)
  if type(want) == "string" then
    return not is(value, want) and name or nil
  elseif type(value) ~= "table" then
    return name
  elseif want[1] then
    for _, v in pairs(value) do
      if form.wrong(v, want[1], name) then
        return name
      end
    end
    return nil
  end
  local first -- by name: which of several is said does not depend on the order of keys
  for key, w in pairs(want) do
    local plain = key:gsub("%?$", "")
    local v = value[plain]
    if plain == key or v ~= nil and v ~= core.null then
      local found = form.wrong(v, w, name .. "." .. plain)
      first = found and (not first or found < first) and found or first
    end
  end
  return first
end

-- What Lua says where a value is not what a program took it for.
local signs = { "attempt to ", "bad argument #", "no integer representation", "'for' " }

--- Calls f(...), which reads what `file` kept; where it stumbles over a value, the file is to blame. Without a file: f.
-- @return what f returns
function form.reading(file, f, ...)
  if not file then
    return f(...)
  end
  local results = table.pack(pcall(f, ...))
  local message = results[2]
  for _, sign in ipairs(not results[1] and type(message) == "string" and signs or {}) do
    if message:find(sign, 1, true) then
      error(("%s: damaged, or not of this mtl: %s"):format(file, message:gsub("^[^\n]-%.lua:%d+: ", "")), 0)
    end
  end
  if not results[1] then
    error(message, 0)
  end
  return table.unpack(results, 2, results.n)
end

return form
