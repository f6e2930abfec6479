--- What mtl new makes of a table: which columns are targets, and which are left out, and why.
local columns = require "mtl.data.columns"
local guess = require "mtl.data.guess"
local looks = require "mtl.data.looks"
local nearest = require "mtl.nearest"
local path = require "mtl.path"

local plan = {}

-- A task's name from a column's: letters, digits and _, a letter first.
local function name_of(column)
  local name = column:gsub("[^%w_]+", "_"):gsub("^_+", ""):gsub("_+$", "")
  return name:find "^%a" and name or name ~= "" and "t_" .. name or "target"
end

-- Whether whole numbers look like classes: few of them, each many times.
local function looks_like_classes(csv, levels)
  for _, level in ipairs(levels) do
    if not math.tointeger(tonumber(level)) then
      return false
    end
  end
  return #levels <= 20 and #levels * 5 <= csv:rows()
end

-- Whether numbers are above 0 and have a long tail to the right, as prices do: their logarithm is learned better.
local function is_skewed(numbers)
  local there, mean, square, cube = {}, 0, 0, 0
  for _, x in ipairs(numbers:totable()) do
    there[#there + 1] = x == x and x or nil
    if x <= 0 then
      return false
    end
  end
  for _, x in ipairs(there) do
    mean = mean + x / #there
  end
  for _, x in ipairs(there) do
    square, cube = square + (x - mean) ^ 2 / #there, cube + (x - mean) ^ 3 / #there
  end
  return square > 0 and cube / square ^ 1.5 > 1
end

-- Why a column cannot be learned from, or nil.
local function fault(csv, column)
  if csv:numeric(column) then
    return nil
  end
  local _, levels = csv:codes(column)
  local kind, advice = looks.like(levels, csv)
  local words, word = looks.words(levels, csv)
  if looks.refused(kind, levels) then
    return ("looks like %s: %s"):format(kind, advice)
  elseif looks.nearly_numbers(levels, words) then
    return ("numbers but for '%s'%s: an empty field is a missing value"):format(word:sub(1, 40):gsub("%c", "?"),
      words > 1 and (" and %d more texts"):format(words - 1) or "")
  elseif #levels > 20 and #levels > csv:rows() / 2 or #levels > 100 and #levels > csv:rows() / 10 then
    return ("text with %d values in %d rows"):format(#levels, csv:rows())
  end
end

local function target(csv, file, column)
  local why = fault(csv, column)
  if why then
    error(("%s: column '%s' is no target to learn (%s)"):format(file, column, why), 0)
  end
  local _, levels = csv:codes(column)
  local numeric = csv:numeric(column)
  local classes = numeric and looks_like_classes(csv, levels)
  local number = numeric and not classes or nil
  return { name = name_of(column), column = column, classes = classes or nil, normalize = number, values = #levels,
    log = number and is_skewed(csv:numbers(column)) or nil }
end

--- Of a table of examples. @param wanted names of its targets, or nil: the last column
-- @return what starter.csv takes
function plan.csv(file, shown, wanted)
  local csv, how = guess.read(path.check(file, "read"))
  local names, there = csv:names(), {}
  if csv:rows() < 10 or #names < 2 then
    error(("%s: %d rows of %d columns are too few to learn from"):format(file, csv:rows(), #names), 0)
  end
  for _, name in ipairs(names) do
    there[name] = true
  end
  local s = { path = shown, how = how, inputs = {}, targets = {}, dropped = {},
    batch = csv:rows() < 5000 and 32 or 256 }
  local is_target = {}
  for i, column in ipairs(wanted or { names[#names] }) do
    if not there[column] then
      error(("new: --target: %s"):format(nearest.unknown("column", column, there)), 0)
    end
    s.targets[i], is_target[column] = target(csv, file, column), true
  end
  for _, column in ipairs(names) do
    local why = not is_target[column] and fault(csv, column)
    if why then
      s.dropped[#s.dropped + 1] = { column = column, why = why }
    elseif not is_target[column] then
      s.inputs[#s.inputs + 1] = column
    end
  end
  if #s.inputs == 0 then
    error(("%s: no column is left to learn from: %s"):format(file, table.concat(plan.dropped(s), "; ")), 0)
  end
  return s
end

-- The column that names the images: `file`, or the one whose fields end in .png.
local function file_column(csv, file)
  for _, name in ipairs(csv:names()) do
    if name == "file" then
      return name
    end
  end
  local found = columns.of_files(csv)
  if not found then
    columns.check(csv, file, "file")
  end
  return found
end

--- Of a table that says what is on images: every column is a target but the one that names them, and what cannot be.
-- @return labels, how, file, targets, dropped: what starter.images takes of it
function plan.labels(file, shown)
  local csv, how = guess.read(path.check(file, "read"))
  local s = { labels = shown, how = how, file = file_column(csv, file), targets = {}, dropped = {} }
  for _, column in ipairs(csv:names()) do
    local why = column ~= s.file and fault(csv, column)
    if why then
      s.dropped[#s.dropped + 1] = { column = column, why = why }
    elseif column ~= s.file then
      s.targets[#s.targets + 1] = target(csv, file, column)
    end
  end
  return s
end

--- What was left out, for people: { "id (text with 200 values in 200 rows)", ... }
function plan.dropped(s)
  local list = {}
  for i, d in ipairs(s.dropped or {}) do
    list[i] = ("%s (%s)"):format(d.column, d.why)
  end
  return list
end

--- What was found out of the table, a line each, for people.
function plan.notes(s)
  local notes = {}
  local found = guess.describe(s.how or {})
  notes[#notes + 1] = #found > 0 and ("%s: %s"):format(s.labels or s.path, table.concat(found, ", ")) or nil
  local list, whole = {}, false
  for i, t in ipairs(s.targets or {}) do
    list[i] = ("%s (%s)"):format(t.name, t.log and "a number, by its logarithm" or t.normalize and "a number"
      or t.values .. " classes")
    whole = whole or t.classes
  end
  notes[#notes + 1] = #list > 0 and "targets: " .. table.concat(list, ", ")
    .. (whole and "; normalize = true in place of classes = true makes whole numbers a quantity" or "") or nil
  for _, d in ipairs(plan.dropped(s)) do
    notes[#notes + 1] = "left out: " .. d
  end
  return notes
end

return plan
