--- Tables as they are read, and names of their columns: what data.csv, data.images (labels.csv) and mtl new share.
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

--- The column whose first field is the name of a PNG (or NPY) file; nil: there is none.
function columns.of_files(csv)
  for _, name in ipairs(csv:names()) do
    local first = not csv:numeric(name) and select(2, csv:codes(name))[1] or ""
    if first:lower():find "%.png$" or first:lower():find "%.npy$" then
      return name
    end
  end
end

--- Refuses a name that is no column of the file. @param hint a function that says more than the nearest name, or
-- nil; or nil
function columns.check(csv, path, name, hint)
  local names, shown = csv:names(), {}
  for i, column in ipairs(names) do
    if column == name then
      return
    end
    shown[i] = i <= MOST and ("'%s'"):format(column:gsub("%c", "?"):sub(1, 60)) or nil
  end
  local near = nearest.find(name, names)
  near = hint and hint() or near and (" (did you mean '%s'?)"):format(near) or ""
  local rest = #names > MOST and (", ... (%d in all)"):format(#names) or ""
  error(("%s: there is no column '%s'%s; there are %s%s%s"):format(path, name, near, table.concat(shown, ", "), rest,
    other_separator(names)), 0)
end

--- Reads a table. @param how separator, decimal, missing: options of a declaration, or what a run kept of them
function columns.read(path, how)
  return core.csv_read(path, { separator = how.separator, decimal = how.decimal, missing = how.missing })
end

--- The option `separator` of a declaration.
columns.separator = { default = ",", type = "string", check = function(s)
  return #s ~= 1 and ("separator is '%s', which should be one character, as \";\" or \"\\t\""):format(s) or nil
end }

--- The option `decimal`.
columns.decimal = { default = ".", choices = { ".", "," } }

return columns
