--- Names of columns, and what separates them: what data.csv, data.images (labels.csv) and mtl new share.
local core = require "mtl.core"
local nearest = require "mtl.nearest"

local columns = {}

local MOST = 30 -- names in a message
local separators = { [";"] = '";"', ["\t"] = '"\\t"', ["|"] = '"|"', [","] = '","' }

-- What to say where a table seems to have another separator than the one that it was read with.
local function other_separator(names)
  local other = #names == 1 and separators[names[1]:match "[;\t|,]"]
  return other and (": one column, so say separator = %s"):format(other) or ""
end

--- Refuses a name that is no column of the file.
function columns.check(csv, path, name)
  local names, shown = csv:names(), {}
  for i, column in ipairs(names) do
    if column == name then
      return
    end
    shown[i] = i <= MOST and ("'%s'"):format(column:gsub("%c", "?"):sub(1, 60)) or nil
  end
  local near = nearest.find(name, names)
  near = near and (" (did you mean '%s'?)"):format(near) or ""
  local rest = #names > MOST and (", ... (%d in all)"):format(#names) or ""
  error(("%s: there is no column '%s'%s; there are %s%s%s"):format(path, name, near, table.concat(shown, ", "), rest,
    other_separator(names)), 0)
end

--- Reads a table whose separator nobody named: the first of , ; tab that makes several columns of it.
-- @return what core.csv_read gives, the separator
function columns.guess(path)
  local first
  for _, separator in ipairs { ",", ";", "\t" } do
    local ok, csv = pcall(core.csv_read, path, { separator = separator })
    if ok and #csv:names() > 1 then
      return csv, separator
    end
    first = first or csv
  end
  return type(first) ~= "string" and first or error(first, 0), ","
end

--- The option `separator` of a declaration.
columns.separator = { default = ",", type = "string", check = function(s)
  return #s ~= 1 and ("separator is '%s', which should be one character, as \";\" or \"\\t\""):format(s) or nil
end }

return columns
