--- What a column that is text by one character was perhaps meant to be: for messages, and for mtl new.
local looks = {}

local SAMPLE = 1000 -- levels that are looked at
local signs = { "€", "£", "¥", "%$", "%f[%a]EUR%f[%A]", "%f[%a]USD%f[%A]", "%f[%a]GBP%f[%A]", "%f[%a]CHF%f[%A]" }

-- "1,234", "1,234,567.8": whole groups of three, of which the first has one to three digits
local function grouped(s, mark)
  local digits, n = s:gsub("%" .. mark .. "(%d%d%d)%f[%D]", "%1")
  return n > 0 and s:find("^[+-]?%d%d?%d?%" .. mark) and digits:find "^[+-]?%d+[.,]?%d*$"
end

-- In this order: the first that fits nearly all values.
local kinds = {
  { "numbers with commas between thousands", "write them without", function(s) return grouped(s, ",") end },
  { "numbers with points between thousands", "write them without", function(s)
    return grouped(s, ".") and not tonumber(s)
  end },
  { "numbers with decimal commas", 'say decimal = ","', function(s) return s:find "^[+-]?%d*,%d+$" end },
  { "dates", "write them as numbers, as a year and a month", function(s)
    return s:find "^%d%d%d%d[-/.]%d%d?[-/.]%d%d?%f[%D]" or s:find "^%d%d?[-/.]%d%d?[-/.]%d%d%d?%d?%f[%D]"
  end },
  { "numbers with a currency sign", "write the numbers alone", function(s)
    for _, sign in ipairs(signs) do
      if s:find(sign) and s:find "%d" then
        return true
      end
    end
  end },
  { "numbers with a percent sign", "write the numbers alone", function(s) return s:find "^[+-]?[%d.,]+%s*%%$" end },
}

--- The number that a field of a numeric column is. @param decimal "," or "."
function looks.number(s, decimal)
  return decimal ~= "," and tonumber(s) or not s:find(".", 1, true) and tonumber((s:gsub(",", "."))) or nil
end

--- @param levels of a column of text
-- @param decimal of the table: "," or "."
-- @return "dates", what to do about it, one of them; or nil
function looks.like(levels, decimal)
  local step = math.max(1, #levels // SAMPLE)
  for _, kind in ipairs(kinds) do
    local seen, found, fits, one = 0, 0, 0, nil
    local known = decimal == "," and kind[1]:find "decimal" -- it is read so already
    for i = 1, #levels, step do
      local this = not known and kind[3](levels[i])
      seen, found = seen + 1, found + (this and 1 or 0)
      fits = fits + ((this or looks.number(levels[i], decimal)) and 1 or 0)
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

--- Levels that are no numbers. @return how many, the first
function looks.words(levels, decimal)
  local n, first = 0, nil
  for _, level in ipairs(levels) do
    if not looks.number(level, decimal) then
      n, first = n + 1, first or level
    end
  end
  return n, first
end

--- Whether a column of text is numbers but for a few words, so that it will hardly be meant as text.
function looks.nearly_numbers(levels, words)
  return #levels > 20 and words <= 0.1 * #levels
end

return looks
