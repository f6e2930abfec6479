--- Columns of a table as numbers for a model. What is fitted (mean and standard deviation of the training rows, levels)
-- is plain and kept with the run, so that new rows are read as the training rows were.
local core = require "mtl.core"

local column = {}

local known = { column = true, classes = true, levels = true, log = true, normalize = true }

--- "carat", or { column = "carat", log = true, normalize = false, levels = { ... }, classes = true }
function column.spec(what, s, default)
  if type(s) == "string" then
    s = { column = s }
  end
  if type(s) ~= "table" or type(s.column or default) ~= "string" then
    error(("data.csv: %s should name a column"):format(what), 0)
  end
  for key in pairs(s) do
    if not known[key] then
      error(("data.csv: %s: unknown key '%s'%s"):format(what, tostring(key),
        require("mtl.nearest").hint(key, known)), 0)
    end
  end
  return { column = s.column or default, classes = s.classes, levels = s.levels, log = s.log, normalize = s.normalize }
end

-- Codes of the file's levels to places in `levels` (from 0); -1: missing, or not among them.
local function recode(codes, from, levels)
  local place, map = {}, { -1 }
  for i, level in ipairs(levels) do
    place[level] = i - 1
  end
  for i, level in ipairs(from) do
    map[i + 1] = place[level] or -1
  end
  return core.tensor(map, "int32"):take(1, (codes:cast("float32") + 1):cast("int32"))
end

-- Mean and standard deviation over what is there; 1 for a column that does not vary.
local function fit(x)
  local missing = x:isnan()
  local n = #x - missing:sum():item()
  if n < 1 then
    return 0, 1
  end
  local mean = core.where(missing, 0, x):sum():item() / n
  local var = core.where(missing, 0, (x - mean):square()):sum():item() / n
  return mean, var > 0 and math.sqrt(var) or 1
end

--- Reads a column as floats (NaN: missing) or codes (-1: missing), before anything is fitted.
-- @param seen levels of an earlier run
-- @return { spec =, codes =, levels = } or { spec =, numbers = }
function column.read(csv, spec, seen)
  if spec.classes or spec.levels or seen or not csv:numeric(spec.column) then
    if spec.log then
      error(("data.csv: column '%s' holds text, of which there is no logarithm"):format(spec.column), 0)
    end
    local codes, levels = csv:codes(spec.column)
    local want = seen or spec.levels
    if want then
      codes, levels = recode(codes, levels, want), want
    end
    return { spec = spec, codes = codes, levels = levels }
  end
  local numbers = csv:numbers(spec.column)
  if spec.log then
    local lowest = core.where(numbers:isnan(), 1, numbers):min():item()
    if lowest <= 0 then
      error(("data.csv: column '%s' holds %g, of which there is no logarithm"):format(spec.column, lowest), 0)
    end
    numbers = numbers:log()
  end
  return { spec = spec, numbers = numbers }
end

--- What encode needs: fitted on the given rows.
function column.fit(raw, rows, normalize)
  local spec = raw.spec
  if raw.codes then
    return { column = spec.column, levels = core.array(raw.levels) }
  end
  local fitted = { column = spec.column, log = spec.log or nil }
  if spec.normalize == nil and normalize or spec.normalize then
    fitted.mean, fitted.std = fit(raw.numbers:take(1, rows))
  end
  return fitted
end

--- Features of an input, [rows, width]: one for a number (missing: the mean), one a level for text (missing: all 0).
function column.features(raw, fitted)
  if raw.numbers then
    local x = raw.numbers
    if fitted.mean then
      x = (x - fitted.mean) / fitted.std
    end
    return core.where(x:isnan(), 0, x):reshape(-1, 1)
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
  local x, own = raw.numbers, nil
  if fitted.mean then
    x = (x - fitted.mean) / fitted.std
  end
  if fitted.mean or fitted.log then
    own = { scale = fitted.std or 1, shift = fitted.mean or 0, log = fitted.log }
  end
  return x, { kind = "number", shape = core.array {}, own = own }
end

return column
