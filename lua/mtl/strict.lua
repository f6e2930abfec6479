--- An __index for the globals of recipes: a name without a value is an error, for it is a mistake more often than not,
-- and an option that is nil would go unnoticed.
local nearest = require "mtl.nearest"

-- Names that Lua files ask for to find out which Lua they run in.
local of_other_luas = { unpack = true, loadstring = true, setfenv = true, getfenv = true, module = true, bit = true,
  bit32 = true, jit = true }

-- What a function can name besides globals, at a level of the stack.
local function locals_at(level, names)
  local function add(get, of)
    local i, name = 1, get(of, 1)
    while name do
      names[name], i = true, i + 1
      name = get(of, i)
    end
  end
  add(debug.getlocal, level + 2)
  add(debug.getupvalue, debug.getinfo(level + 1, "f").func)
end

--- @param globals the table that is asked first
return function(globals)
  return function(_, name)
    local value = rawget(globals, name)
    if value ~= nil or type(name) ~= "string" or of_other_luas[name] then
      return value
    end
    local names = {}
    for known in pairs(globals) do
      names[known] = true
    end
    locals_at(2, names)
    for known in pairs(names) do
      names[known] = type(known) == "string" and known:find "^%a[%w_]*$" and true or nil -- no "(temporary)", no _G
    end
    local near = nearest.find(name, names)
    error(("there is no variable '%s'; %s"):format(name, near and "did you mean '" .. near .. "'?"
      or ('a text stands in quotes: "%s"'):format(name)), 2)
  end
end
