--- A look at the names in Lua code, which is not run: those that a recipe may not use. It sees names as they are
-- written; what a program puts together while it runs it cannot see, and need not: the sandbox refuses that then.
local denied = {}

-- Where a long bracket that begins at `i` ends, and whether there is one.
local function long_bracket(text, i)
  local level = text:match("^%[(=*)%[", i)
  if not level then
    return nil
  end
  local _, last = text:find("]" .. level .. "]", i, true)
  return last or #text
end

-- Where the short string that begins at `i` ends.
local function short_string(text, i)
  local quote, at = text:sub(i, i), i + 1
  while at <= #text do
    local c = text:sub(at, at)
    if c == "\\" then
      at = at + 1
    elseif c == quote or c == "\n" then
      return at
    end
    at = at + 1
  end
  return #text
end

--- The names of Lua code in order: { { name =, line =, field = (it follows a '.' or ':'), own = (`local` makes it) },
-- ... }. Comments and strings hold none.
function denied.names(text)
  local list, i, line, counted, before = {}, 1, 1, 1, ""
  local function here(at)
    line = line + select(2, text:sub(counted, at - 1):gsub("\n", ""))
    counted = at
    return line
  end
  while i <= #text do
    local c = text:sub(i, i)
    local last
    if text:find("^%-%-", i) then
      last = long_bracket(text, i + 2) or (text:find("\n", i, true) or #text + 1) - 1
    elseif c == "[" and long_bracket(text, i) then
      last, before = long_bracket(text, i), "string"
    elseif c == '"' or c == "'" then
      last, before = short_string(text, i), "string"
    elseif c:find "[%a_]" then
      last = select(2, text:find("^[%w_]+", i))
      local previous = list[#list] or {}
      list[#list + 1] = { name = text:sub(i, last), line = here(i), field = before == "." or before == ":",
        own = before == "name" and previous.name == "local" or before == "," and previous.own }
      before = "name"
    elseif c:find "%d" then
      last, before = select(2, text:find("^[%w_.]+", i)), "number"
    elseif text:find("^%.%.", i) then
      last, before = select(2, text:find("^%.+", i)), ".."
    else
      last = i
      before = c:find "%s" and before or c
    end
    i = last + 1
  end
  return list
end

--- The names in Lua code that a recipe may not use: { { name = "os.execute", line = 3, shadowed = (the code also makes
-- a local of that name) }, ... }, each once.
-- @param is_denied function(name, field) -> boolean; field nil: the library or function itself, as a value
function denied.find(text, is_denied)
  local names, found, seen, own = denied.names(text), {}, {}, {}
  for _, n in ipairs(names) do
    own[n.name] = own[n.name] or n.own
  end
  for k, n in ipairs(names) do
    local field = names[k + 1] and names[k + 1].field and names[k + 1].name or nil
    local whole = field and n.name .. "." .. field or n.name
    if not n.field and not n.own and not seen[whole] and is_denied(n.name, field) then
      seen[whole] = true
      found[#found + 1] = { name = whole, line = n.line, shadowed = own[n.name] or false }
    end
  end
  return found
end

return denied
