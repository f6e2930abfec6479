--- A declaration in short: its name, and the options that are not the default.
local declare = require "mtl.declare"
local param = require "mtl.param"

local brief

-- A value with all that it holds.
local function show(value)
  if declare.is(value) then
    return brief(value)
  elseif not param.plain(value) then
    return param.show(value)
  end
  local names, shown = {}, {}
  for i, x in ipairs(value) do
    shown[i] = show(x)
  end
  for name in pairs(value) do
    names[#names + 1] = type(name) == "string" and name or nil
  end
  table.sort(names)
  for _, name in ipairs(names) do
    shown[#shown + 1] = ("%s = %s"):format(name, show(value[name]))
  end
  return #shown > 0 and "{ " .. table.concat(shown, ", ") .. " }" or "{}"
end

-- A combination of conditions as a recipe writes it: & binds before |.
local function condition(decl)
  local sides = { brief(decl.a), brief(decl.b) }
  for i, side in ipairs { decl.a, decl.b } do
    if decl.type == "both" and side.type == "either" then
      sides[i] = "(" .. sides[i] .. ")"
    end
  end
  return table.concat(sides, decl.type == "both" and " & " or " | ")
end

function brief(decl)
  if decl.kind == "when" and decl.a then
    return condition(decl)
  end
  local definition, names, shown = declare.definition(decl), {}, {}
  for name, spec in pairs(definition.params) do
    if decl[name] ~= nil and show(decl[name]) ~= show(spec.default) then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = show(decl[name])
    shown[i] = #(definition.positional or {}) > 0 and value or ("%s = %s"):format(name, value)
  end
  return #shown > 0 and ("%s(%s)"):format(decl.type, table.concat(shown, ", ")) or decl.type
end

return brief
