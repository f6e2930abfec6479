--- What a column that is text by one character was perhaps meant to be: for messages, and for mtl new.
local core = require "mtl.core"

local looks = {}

local SAMPLE = 1000 -- levels that are looked at
local signs = { "€", "£", "¥", "%$", "%f[%a]EUR%f[%A]", "%f[%a]USD%f[%A]", "%f[%a]GBP%f[%A]", "%f[%a]CHF%f[%A]" }

-- "1,234", "1,234,567.8": whole groups of three, of which the first has one to three digits and no 0 before the others
local function grouped(s, mark)
  local digits, n = s:gsub("%" .. mark .. "(%d%d%d)%f[%D]", "%1")
  return n > 0 and s:find("^[+-]?[1-9]%d?%d?%" .. mark) and digits:find "^[+-]?%d+[.,]?%d*$"
end

local function decimal_comma(s)
  return s:find "^[+-]?%d*,%d+$"
end

-- Whether commas of a column stand between thousands. 1,234,567 says so and 0,123 denies it; 1,234 could be both: in a
-- table whose fields are separated by commas it is the first, since with decimal commas one takes another separator.
local function has_thousands(levels, step, csv)
  local votes = 0
  for i = 1, #levels, step do
    local thousands, decimal = grouped(levels[i], ","), decimal_comma(levels[i])
    votes = votes + (thousands and not decimal and 1 or decimal and not thousands and -1 or 0)
  end
  return votes > 0 or votes == 0 and csv:separator() == "," and csv:decimal() == "."
end

local function in_range(month, day)
  month, day = tonumber(month), tonumber(day)
  return month >= 1 and month <= 12 and day >= 1 and day <= 31
end

-- "2019-01-28", "28.1.2019", "1/28/19", and perhaps a time behind it. "1.1.19" is rather a version.
local function date(s)
  local first, mark, middle, last, behind = s:match "^(%d%d?%d?%d?)([-/.])(%d%d?)%2(%d+)(.?)"
  if not first or not behind:find "^[%sT]?$" then
    return false
  elseif #first == 4 then
    return #last <= 2 and in_range(middle, last)
  end
  local year = #last == 4 or #last == 2 and (mark ~= "." or #first == 2 and #middle == 2)
  return #first <= 2 and year and (in_range(first, middle) or in_range(middle, first))
end

-- In this order: the first that fits nearly all values.
local kinds = {
  { "numbers with commas between thousands", "write them without", function(s) return grouped(s, ",") end,
    possible = has_thousands },
  { "numbers with points between thousands", "write them without", function(s)
    return grouped(s, ".") and not tonumber(s)
  end },
  { "numbers with decimal commas", 'say decimal = ","', decimal_comma,
    possible = function(_, _, csv) return csv:decimal() ~= "," end }, -- else they are read so already
  { "dates", "write them as numbers, as a year and a month", date },
  { "numbers with a currency sign", "write the numbers alone", function(s)
    for _, sign in ipairs(signs) do
      if s:find(sign) and s:find "%d" then
        return true
      end
    end
  end },
  { "numbers with a percent sign", "write the numbers alone", function(s) return s:find "^[+-]?[%d.,]+%s*%%$" end },
}

--- @param levels of a column of text
-- @param csv the table
-- @return "dates", what to do about it, one of them; or nil
function looks.like(levels, csv)
  local step = math.max(1, #levels // SAMPLE)
  for _, kind in ipairs(kinds) do
    local seen, found, fits, one = 0, 0, 0, nil
    local possible = not kind.possible or kind.possible(levels, step, csv)
    for i = 1, possible and #levels or 0, step do
      local this = kind[3](levels[i])
      seen, found = seen + 1, found + (this and 1 or 0)
      fits = fits + ((this or core.csv_number(levels[i], csv:decimal())) and 1 or 0)
      one = one or this and levels[i]
    end
    if found >= 0.1 * seen and fits >= 0.9 * seen and found > 0 then
      return kind[1], kind[2], one
    end
  end
end

--- Whether to refuse a column of text for what it looks like: a few dates may be classes, numbers never are meant so.
function looks.refused(kind, levels)
  return kind ~= nil and (#levels > 20 or kind:find "^numbers" ~= nil)
end

--- Levels of a column that are no numbers. @return how many, the first
function looks.words(levels, csv)
  local n, first = 0, nil
  for _, level in ipairs(levels) do
    if not core.csv_number(level, csv:decimal()) then
      n, first = n + 1, first or level
    end
  end
  return n, first
end

--- Whether a column of text is numbers but for a few words, so that it will hardly be meant as text.
function looks.nearly_numbers(levels, words)
  return #levels > 20 and words > 0 and words <= 0.1 * #levels
end

return looks
