--- Checks of one table of a recipe, and its errors: they name the file, the line, the key.
local declare = require "mtl.declare"
local nearest = require "mtl.nearest"
local param = require "mtl.param"
local place = require "mtl.place"

local check = {}

--- The function that raises the errors of one recipe: fail(message, what, after). `what`: a declaration (its place),
-- or a key or text to look for in the recipe's source.
function check.fails(source, first)
  return function(message, what, after)
    local at = declare.is(what) and declare.place(what)
    if not at and source then
      local from = after and place.line(source, after, first) or first
      local line = type(what) == "string" and place.line(source, what, from) or nil
      at = { source = source, line = line or from }
    end
    error(place.prefix(at) .. message, 0)
  end
end

--- Checks the keys of one table and fills in defaults.
function check.keys(t, specs, where, fail, after)
  if not param.plain(t) then
    fail(("%s should be a table"):format(where), after)
  end
  for key in pairs(t) do
    if not specs[key] then
      fail(("%s: unknown key '%s'%s"):format(where, tostring(key), nearest.hint(key, specs)), tostring(key), after)
    end
  end
  for key, spec in pairs(specs) do
    local wrong = param.wrong(spec, key, t[key])
    if wrong then
      fail(("%s: %s"):format(where, wrong), declare.is(t[key]) and t[key] or t[key] ~= nil and key or after, after)
    end
    if t[key] == nil then
      t[key] = param.default(spec)
    end
  end
end

--- Checks that a table is a list: a key that is no place in it would be dropped without a word.
function check.list(t, what, fail, after)
  local hole = param.hole(t)
  if hole then
    fail(("%s has nil in place %d, and more after it"):format(what, hole), after)
  end
  for key in pairs(t) do
    if not (math.type(key) == "integer" and key >= 1 and key <= #t) then
      fail(("%s is a list, so '%s = ...' has no place in it"):format(what, tostring(key)), tostring(key), after)
    end
  end
end

--- "'left'" for a name that is one; nil for anything else.
function check.quoted(name)
  return type(name) == "string" and "'" .. name .. "'" or nil
end

return check
