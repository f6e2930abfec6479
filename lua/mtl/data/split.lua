--- Rows to splits. A split by fractions shuffles with the data set's own seed, so every run sees the same rows in it.
local core = require "mtl.core"

local split = {}
local names = { "train", "valid", "test" }

--- Checks fractions for train, valid, test; the first may stand alone.
function split.check(fractions)
  local sum = 0
  if type(fractions) ~= "table" or #fractions < 1 or #fractions > 3 then
    return "split should be one to three fractions, for train, valid and test: { .8, .1, .1 }"
  end
  for i, f in ipairs(fractions) do
    if type(f) ~= "number" or not (f >= 0 and f <= 1) then
      return ("split: the fraction for '%s' is %s, which should be a number from 0 to 1"):format(names[i], tostring(f))
    end
    sum = sum + f
  end
  if math.abs(sum - 1) > 1e-6 then
    return ("split: the fractions add up to %g, which should be 1"):format(sum)
  end
end

--- How many rows each split gets: rounded, the rest to train.
function split.counts(n, fractions)
  local counts, rest = {}, n
  for i = 2, #fractions do
    counts[names[i]] = math.min(math.floor(n * fractions[i] + 0.5), rest)
    rest = rest - counts[names[i]]
  end
  counts.train = rest
  return counts
end

--- Row numbers (int32 tensors, from 0) by split, of n rows in an order that `seed` shuffles.
function split.rows(n, fractions, seed)
  local wrong = split.check(fractions)
  if wrong then
    error(wrong, 0)
  end
  return split.parts(core.permutation(n, seed, "data/split", 0), split.counts(n, fractions))
end

--- Cuts row numbers into stretches of the given lengths.
function split.parts(order, counts)
  local rows, first = {}, 1
  for _, name in ipairs(names) do
    local count = counts[name] or 0
    if count > 0 then
      rows[name] = order:slice(1, first, first + count - 1)
      first = first + count
    end
  end
  return rows
end

--- Row numbers by split from a column of the data that names it.
function split.by_column(codes, levels, column)
  local rows = {}
  local known = { train = true, valid = true, test = true }
  for _, level in ipairs(levels) do
    if not known[level] then
      error(("split: column '%s' holds '%s', which should be 'train', 'valid' or 'test'"):format(column, level), 0)
    end
    rows[level] = {}
  end
  for row, code in ipairs(codes:totable()) do
    if code >= 0 then -- a row without a split is left out
      local of_level = rows[levels[code + 1]]
      of_level[#of_level + 1] = row - 1
    end
  end
  for level, list in pairs(rows) do
    rows[level] = #list > 0 and core.tensor(list, "int32") or nil
  end
  return rows
end

--- Rows of fields, by split: { { tensor = | source =, ... }, ... } to { train = { ... }, ... }.
function split.apply(fields, rows)
  local out = {}
  for name, index in pairs(rows) do
    out[name] = {}
    for i, field in ipairs(fields) do
      local part = {}
      for key, value in pairs(field) do
        part[key] = value
      end
      if field.tensor then
        part.tensor = field.tensor:take(1, index)
      else
        part.rows = field.rows and field.rows:take(1, index) or index
      end
      out[name][i] = part
    end
  end
  return out
end

return split
