--- A table that nobody described: what separates its fields, its decimal sign, its word for a missing value.
local columns = require "mtl.data.columns"
local core = require "mtl.core"
local looks = require "mtl.data.looks"

local guess = {}

-- Words that mean that there is no value, in small letters. true: in a column of text, too; "text": there it may as
-- well be a class, as in none, shed, garage.
local missing = { na = true, ["n/a"] = true, ["#n/a"] = true, nan = true, null = true, ["-"] = true, ["?"] = true,
  none = "text", missing = "text", unknown = "text" }

-- The one that makes the most columns of the header; its rows, which may be wrong in another way, play no part.
local function separator_of(path)
  local best, most = ",", 1
  for _, separator in ipairs { ",", ";", "\t", "|" } do
    local ok, csv = pcall(core.csv_read, path, { separator = separator, names_only = true })
    if ok and #csv:names() > most then
      best, most = separator, #csv:names()
    end
  end
  return best
end

local function has_decimal_commas(csv)
  for _, name in ipairs(csv:names()) do
    if not csv:numeric(name) and looks.like(select(2, csv:codes(name)), csv) == "numbers with decimal commas" then
      return true
    end
  end
end

-- Whether a column of numbers is none in another reading of the table.
local function loses(csv, other)
  for _, name in ipairs(csv:names()) do
    if csv:numeric(name) and not other:numeric(name) then
      return true
    end
  end
end

-- Whether a word is among the levels of one of these columns.
local function is_class(word, columns_of_text)
  for _, levels in ipairs(columns_of_text) do
    for _, level in ipairs(levels) do
      if level == word then
        return true
      end
    end
  end
end

-- The word that alone keeps the most columns from being numbers, and is no class of a column that stays text; nil:
-- there is none.
local function missing_word(csv)
  local words, counts, texts, best = {}, {}, {}, nil
  for _, name in ipairs(csv:names()) do
    local levels = csv:numeric(name) and {} or select(2, csv:codes(name))
    local n, word = looks.words(levels, csv)
    if n == 1 and #levels > 1 and (missing[word:lower()] or looks.nearly_numbers(levels, n)) then
      words[#words + 1], counts[word] = word, (counts[word] or 0) + 1
    elseif #levels > 1 then
      texts[#texts + 1] = levels
    end
  end
  for _, word in ipairs(words) do
    local more = not best or counts[word] > counts[best]
    best = more and (missing[word:lower()] == true or not is_class(word, texts)) and word or best
  end
  return best
end

--- Reads a table. @return what core.csv_read gives, { separator =, decimal =, missing = } where they are not the usual
function guess.read(path)
  local separator, how = separator_of(path), {}
  how.separator = separator ~= "," and separator or nil
  local csv = columns.read(path, how)
  if has_decimal_commas(csv) then
    local commas = columns.read(path, { separator = separator, decimal = "," })
    if not loses(csv, commas) then
      how.decimal, csv = ",", commas
    end
  end
  how.missing = missing_word(csv)
  return how.missing and columns.read(path, how) or csv, how
end

--- What was guessed, for people: { "fields are separated by ';'", ... }
function guess.describe(how)
  local list = {}
  list[#list + 1] = how.separator and ("fields are separated by %s"):format(how.separator == "\t" and "tabs"
    or ("'%s'"):format(how.separator))
  list[#list + 1] = how.decimal and "numbers have decimal commas"
  list[#list + 1] = how.missing and ("'%s' is a missing value"):format(how.missing)
  return list
end

return guess
