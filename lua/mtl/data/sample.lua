--- Weighted sampling of the training rows, the option `sample` of every data set: { balance = "cut" } draws every class
-- of a target as often as any other (`weights = { Fair = 2 }`: twice as often), { column = "w" } each row by the weight
-- in a column of the table. Rows are drawn with replacement, as many an epoch as there are.
local core = require "mtl.core"
local nearest = require "mtl.nearest"

local sample = {}

local known = { balance = true, column = true, weights = true }

--- Checks the option.
function sample.check(s)
  for key in pairs(s) do
    if not known[key] then
      return ("sample: unknown key '%s'%s"):format(tostring(key), nearest.hint(key, known))
    end
  end
  if (s.balance == nil) == (s.column == nil) or type(s.balance or s.column) ~= "string" then
    return 'sample should be { balance = TARGET } or, of a table, { column = COLUMN }'
  elseif s.weights ~= nil and (type(s.weights) ~= "table" or not s.balance) then
    return 'sample: weights goes with balance: { balance = "cut", weights = { Fair = 2 } }'
  end
end

sample.param = { type = "table", check = sample.check }

-- What is asked of each class, by place: 1 unless told.
local function shares(weights, description, name)
  local list, place = {}, {}
  for c = 1, description.classes do
    list[c] = 1
    place[description.levels and description.levels[c] or c - 1] = c
  end
  for level, w in pairs(weights or {}) do
    if not place[level] then
      error(("data: sample: target '%s' has no class %s%s"):format(name, tostring(level), description.levels
        and nearest.hint(tostring(level), description.levels) or ("; they are 0 to %d"):format(#list - 1)), 0)
    elseif type(w) ~= "number" or not (w >= 0 and w < math.huge) then
      error(("data: sample: the weight of class %s is %s, which should be a number of at least 0"):format(
        tostring(level), tostring(w)), 0)
    end
    list[place[level]] = w
  end
  return list
end

local function counts(labels, classes)
  local n, missing = {}, 0
  for c = 1, classes do
    n[c] = 0
  end
  for first = 1, #labels, 65536 do -- a table of all of them would be large
    for _, label in ipairs(labels:slice(1, first, math.min(first + 65535, #labels)):totable()) do
      if label >= 0 then
        n[label + 1] = n[label + 1] + 1
      else
        missing = missing + 1
      end
    end
  end
  return n, missing
end

-- Rows without the label keep their share of the draws.
local function balanced(s, name, description, labels)
  local share, n, missing = shares(s.weights, description, name), counts(labels, description.classes)
  local total, weight = 0, { 1 }
  for c, count in ipairs(n) do
    total = total + (count > 0 and share[c] or 0)
  end
  if total <= 0 then
    error(("data: sample: no row of target '%s' has a class with a weight above 0"):format(name), 0)
  end
  for c, count in ipairs(n) do
    weight[c + 1] = count > 0 and share[c] / total * (#labels - missing) / count or 0
  end
  return core.tensor(weight):take(1, (labels:cast "float32" + 1):cast "int32")
end

--- Weights of the training rows.
-- @param s the option
-- @param set an opened set
-- @param column numbers of the training rows, where s names a column
-- @return float32 [rows]
function sample.weights(s, set, column)
  if s.column then
    if not column then
      error(("data: sample: '%s' would be a column, and only tables have columns; { balance = TARGET } is for all data")
        :format(s.column), 0)
    end
    local lowest = core.where(column:isnan(), -1, column):min():item()
    if lowest < 0 or column:max():item() <= 0 then
      error(("data: sample: column '%s' should hold a number of at least 0 for every training row, some above 0; it "
        .. "has %s"):format(s.column, lowest == -1 and "missing or negative ones" or ("%g"):format(lowest)), 0)
    end
    return column
  end
  local name = s.balance
  local description = set.targets[name]
  if not description then
    error("data: sample: " .. nearest.unknown("target", name, set.targets), 0)
  elseif description.kind ~= "class" or description.dense then
    error(("data: sample: target '%s' has no class for each row, so there is nothing to balance"):format(name), 0)
  end
  for i, target in ipairs(set.target_names) do
    if target == name then
      return balanced(s, name, description, set:target_tensor("train", #set.inputs + i))
    end
  end
end

return sample
