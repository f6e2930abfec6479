--- Columns of a table as numbers for a model. What is fitted (mean and standard deviation of the training rows, levels)
-- is plain and kept with the run, so that new rows are read as the training rows were.
local core = require "mtl.core"
local columns = require "mtl.data.columns"
local looks = require "mtl.data.looks"
local param = require "mtl.param"

local column = {}

local flag = { type = "boolean" }
local known = { column = {}, classes = flag, levels = {}, log = flag, normalize = flag }

-- Values for a message, on one line.
local function shown(values)
  local list = {}
  for i = 1, math.min(#values, 10) do
    list[i] = ("'%s'"):format(values[i]:sub(1, 40):gsub("%c", "?"))
  end
  return table.concat(list, ", ") .. (#values > 10 and (", ... (%d in all)"):format(#values) or "")
end

-- Levels as texts, as they are in a file.
local function texts(what, levels)
  local list, seen = {}, {}
  for i, level in ipairs(type(levels) == "table" and levels or {}) do
    list[i] = tostring(level)
    if seen[list[i]] then
      error(("%s: level %s stands twice"):format(what, shown { list[i] }), 0)
    end
    seen[list[i]] = true
  end
  if #list == 0 then
    error(("%s: levels should list the column's values, in order: { \"low\", \"high\" }"):format(what), 0)
  end
  return list
end

--- "carat", or { column = "carat", log = true, normalize = false, levels = { ... }, classes = true }
-- @param what it is, for messages: "data.csv: input 1"
-- @param target its name, where it is one
function column.spec(what, s, target)
  if type(s) == "string" then
    s = { column = s }
  end
  if type(s) ~= "table" or type(s.column or target) ~= "string" then
    error(("%s should name a column"):format(what), 0)
  end
  for key in pairs(s) do
    if not known[key] then
      error(("%s: unknown key '%s'%s"):format(what, tostring(key),
        require("mtl.nearest").hint(key, known)), 0)
    end
    local wrong = param.wrong(known[key], key, s[key])
    if wrong then
      error(("%s: %s"):format(what, wrong), 0)
    end
  end
  return { column = s.column or target, classes = s.classes, levels = s.levels and texts(what, s.levels), log = s.log,
    normalize = s.normalize, target = target }
end

-- The number that a level is: as Lua writes it in a recipe, or as the file does.
local function value(level)
  return tonumber((level:gsub(",", ".")))
end

-- Codes of the file's levels to places in `levels` (from 0); -1: missing, or not among them. In a column of numbers
-- "1.0" (or "1,0") is "1". Also returns the values that are not among them.
local function recode(codes, from, levels, numeric)
  local place, map, unknown = {}, { -1 }, {}
  for i, level in ipairs(levels) do
    local number = numeric and value(level)
    place[level] = i - 1
    if number then
      place[number] = i - 1
    end
  end
  for i, level in ipairs(from) do
    local at = place[level] or numeric and place[value(level)]
    map[i + 1] = at or -1
    unknown[#unknown + 1] = not at and level or nil
  end
  return core.tensor(map, "int32"):take(1, (codes:cast("float32") + 1):cast("int32")), unknown
end

-- Mean and standard deviation over what is there; 1 for a column that does not vary.
local function fit(x)
  local missing <close> = x:isnan() -- tensors of a row each are given back at once, not when they are collected
  local n = #x - missing:sum():item()
  if n < 1 then
    return 0, 1
  end
  local there <close> = core.where(missing, 0, x)
  local mean = there:sum():item() / n
  local centred <close> = x - mean
  local squares <close> = centred:square()
  local counted <close> = core.where(missing, 0, squares)
  local var = counted:sum():item() / n
  return mean, var > 0 and math.sqrt(var) or 1
end

-- (x - mean) / std
local function normalized(x, fitted)
  if not fitted.mean then
    return x
  end
  local centred <close> = x - fitted.mean
  return centred / fitted.std
end

-- Which file and line of a text column holds no number, and what.
local function not_number(csv, name)
  local _, message = pcall(csv.numbers, csv, name)
  return tostring(message)
end

-- Refuses text where a number was meant, or nearly every row has a value of its own.
local function check_text(csv, path, spec, levels)
  local words, other = looks.words(levels, csv)
  local numbers = #levels - words
  local like, advice, one = looks.like(levels, csv)
  if like and (spec.log or spec.normalize or looks.refused(like, levels)) then
    error(("%s: column '%s' ('%s') looks like %s: %s; if it is text, { column = \"%s\", classes = true }"):format(path,
      spec.column, one:sub(1, 40):gsub("%c", "?"), like, advice, spec.column), 0)
  end
  if spec.log or spec.normalize or looks.nearly_numbers(levels, words) then
    local meant = spec.log and "there is no logarithm of text" or spec.normalize and "text is not normalized"
      or ("%d of its %d values are numbers"):format(numbers, #levels)
    error(("%s, but %s: if it stands for a missing value, say missing = \"%s\"; if the column is text, "
      .. "{ column = \"%s\", classes = true } or levels = { ... }"):format(not_number(csv, spec.column), meant,
      ((other or "..."):sub(1, 40):gsub("%c", "?")), spec.column), 0)
  elseif #levels > 100 and #levels > csv:rows() / 10 then
    error(("%s: column '%s' is text with %d different values in %d rows (%s), each of which would be a %s: leave it "
      .. "out, name the values that count with levels = { ... }, or say classes = true"):format(path, spec.column,
      #levels, csv:rows(), shown { levels[1] }, spec.target and "class" or "feature"), 0)
  end
end

local function read_codes(csv, path, spec, fitted)
  local codes, levels = csv:codes(spec.column)
  local numeric, want = csv:numeric(spec.column), fitted and fitted.levels or spec.levels
  if not want then
    if not spec.classes then
      check_text(csv, path, spec, levels)
    end
    return { spec = spec, codes = codes, levels = levels }
  end
  local known_codes, unknown = recode(codes, levels, want, numeric)
  if spec.target and #unknown > 0 then
    error(("%s: column '%s' of target '%s' holds %s, not among %s: %s"):format(path, spec.column, spec.target,
      shown(unknown), fitted and "the levels of the training file" or "its levels", shown(want)), 0)
  end
  return { spec = spec, codes = known_codes, levels = want }
end

--- Reads a column as floats (NaN: missing) or codes (-1: missing).
-- @param path of the file, for messages
-- @param fitted what column.fit gave for the training rows: the column is read as it was there; nil: not yet fitted
-- @return { spec =, codes =, levels = } or { spec =, numbers = }
function column.read(csv, path, spec, fitted)
  if spec.log and (spec.classes or spec.levels) then
    error(("%s: column '%s' is of classes, of which there is no logarithm"):format(path, spec.column), 0)
  end
  columns.check(csv, path, spec.column)
  local numeric = csv:numeric(spec.column)
  if fitted and fitted.levels or not fitted and (spec.classes or spec.levels or not numeric) then
    return read_codes(csv, path, spec, fitted)
  elseif not numeric then
    error(not_number(csv, spec.column) .. ", but in training the column held numbers", 0)
  end
  local numbers = csv:numbers(spec.column)
  if spec.log then
    local lowest = core.where(numbers:isnan(), 1, numbers):min():item()
    if lowest <= 0 then
      error(("%s: column '%s' holds %g, of which there is no logarithm"):format(path, spec.column, lowest), 0)
    end
    numbers = numbers:log()
  end
  return { spec = spec, numbers = numbers }
end

--- Whether any of the given rows holds a value.
function column.labelled(raw, rows)
  if raw.codes then
    return raw.codes:take(1, rows):cast("float32"):max():item() >= 0
  end
  local x <close> = raw.numbers:take(1, rows)
  local missing <close> = x:isnan()
  return missing:min():item() == 0
end

--- What encode needs: fitted on the given rows.
function column.fit(raw, rows, normalize)
  local spec = raw.spec
  if raw.codes then
    return { column = spec.column, levels = core.array(raw.levels) }
  end
  local fitted = { column = spec.column, log = spec.log or nil }
  if spec.normalize == nil and normalize or spec.normalize then
    local x <close> = raw.numbers:take(1, rows)
    fitted.mean, fitted.std = fit(x)
  end
  return fitted
end

--- Features of an input, [rows, width]: one for a number (missing: the mean), one a level for text (missing: all 0).
function column.features(raw, fitted)
  if raw.numbers then
    local x = normalized(raw.numbers, fitted)
    local missing <close> = x:isnan()
    return core.where(missing, 0, x):reshape(-1, 1)
  end
  local width, eye = #fitted.levels, {}
  for i = 0, width do
    eye[i + 1] = {}
    for j = 1, width do
      eye[i + 1][j] = i == j and 1 or 0
    end
  end
  return core.tensor(eye):take(1, (raw.codes:cast("float32") + 1):cast("int32"))
end

--- A target and its description. `own` undoes what was done to a number: x * scale + shift, then exp where log.
function column.target(raw, fitted)
  if raw.codes then
    return raw.codes, { kind = "class", classes = #raw.levels, levels = core.array(raw.levels) }
  end
  local x, own = normalized(raw.numbers, fitted), nil
  if fitted.mean or fitted.log then
    own = { scale = fitted.std or 1, shift = fitted.mean or 0, log = fitted.log }
  end
  return x, { kind = "number", shape = core.array {}, own = own }
end

return column
