--- A table that nobody described: what separates its fields, its decimal sign, its word for a missing value.
local columns = require "mtl.data.columns"
local core = require "mtl.core"
local looks = require "mtl.data.looks"

local guess = {}

-- Words that mean that there is no value, in small letters.
local missing = { na = true, ["n/a"] = true, ["#n/a"] = true, nan = true, null = true, none = true, ["-"] = true,
  ["?"] = true, missing = true, unknown = true }

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

-- The word that alone keeps the most columns from being numbers; nil: there is none.
local function missing_word(csv)
  local counts, best = {}, nil
  for _, name in ipairs(csv:names()) do
    local levels = csv:numeric(name) and {} or select(2, csv:codes(name))
    local n, word = looks.words(levels, csv)
    if n == 1 and #levels > 1 and (missing[word:lower()] or looks.nearly_numbers(levels, n)) then
      counts[word] = (counts[word] or 0) + 1
      best = (not best or counts[word] > counts[best]) and word or best
    end
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
