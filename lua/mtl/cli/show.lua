--- A value as the prompt shows it: plain tables with what they hold, everything else as it prints itself.
local MOST, DEEPEST, WIDTH = 50, 4, 100

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

local function show(value, depth, indent)
  if type(value) == "string" and depth > 0 then
    return ("%q"):format(value)
  elseif type(value) ~= "table" or getmetatable(value) and getmetatable(value).__tostring
    or depth >= DEEPEST then
    return (tostring(value):gsub("\n", "\n" .. indent))
  end
  local keys, parts, length = {}, {}, 0
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys, order)
  local inner = indent .. "  "
  for i = 1, math.min(#keys, MOST) do
    local key = keys[i]
    local text = show(value[key], depth + 1, inner)
    parts[i] = key == i and text or name_of(key) .. " = " .. text
    length = length + #parts[i] + 2
    length = text:find "\n" and WIDTH or length
  end
  if #keys > MOST then
    parts[#parts + 1] = ("... (%d in all)"):format(#keys)
  end
  if #parts == 0 then
    return "{}"
  elseif length < WIDTH then
    return "{ " .. table.concat(parts, ", ") .. " }"
  end
  return "{\n" .. inner .. table.concat(parts, ",\n" .. inner) .. "\n" .. indent .. "}"
end

return function(value)
  return show(value, 0, "")
end
