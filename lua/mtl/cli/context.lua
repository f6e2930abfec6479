--- What is being written at the end of a piece of Lua: within which brackets, or in an open string. A scanner that
-- forgives, for completion.
local context = {}

-- Ends of tokens that hold no brackets of their own; false: it is still open at the end of the text.
local function skip(text, i)
  local level = text:match("^%-%-%[(=*)%[", i) or text:match("^%[(=*)%[", i)
  if level then
    local _, last = text:find("]" .. level .. "]", i, true)
    return last or false
  elseif text:find("^%-%-", i) then
    local _, last = text:find("\n", i, true)
    return last or false
  end
end

-- The place where the string that begins at i ends, or nil.
local function string_end(text, i)
  local quote, at = text:sub(i, i), i + 1
  while at <= #text do
    local c = text:sub(at, at)
    if c == "\\" then
      at = at + 1
    elseif c == quote then
      return at
    elseif c == "\n" then
      return nil
    end
    at = at + 1
  end
end

-- A bracket opens: what stands before it says what it is of.
local function push(stack, before)
  local last, top = before[#before] or "", stack[#stack]
  local entry = { parent = top }
  if last == "=" then
    entry.key = (before[#before - 1] or ""):match "^[%a_][%w_]*$"
  elseif last:find "^[%a_]" then
    entry.head = last
  elseif top and top.open == "(" and (last == "(" or last == ",") then
    entry.head = top.head -- mtl.recipe({ ... }), nn.conv2d(1, 10, 5, { ... })
  end
  stack[#stack + 1] = entry
  return entry
end

--- @return { closed = true } within a comment or a long string; { string = its text so far, head = the name that it is
-- given to }; or { inside = { open =, head = name before the bracket, key = of "key = {", parent = }, last = the token
-- before } of the innermost open bracket
function context.of(text)
  local stack, before, i = {}, {}, 1
  while i <= #text do
    local last = skip(text, i)
    local c = text:sub(i, i)
    if last == false then
      return { closed = true }
    elseif last then
      i = last
    elseif c == '"' or c == "'" then
      last = string_end(text, i)
      if not last then
        local word, top = before[#before] or "", stack[#stack]
        local given = top and top.open == "(" and (word == "(" or word == ",") -- f("..., f(x, "...
        return { string = text:sub(i + 1), head = given and top.head or word:find "^[%a_]" and word }
      end
      before[#before + 1], i = "string", last
    elseif c == "{" or c == "(" or c == "[" then
      push(stack, before).open = c
      before[#before + 1] = c
    elseif c == "}" or c == ")" or c == "]" then
      stack[#stack] = nil
      before[#before + 1] = "value"
    elseif c:find "[%a_]" then
      local name = text:match("^[%w_%.:]+", i)
      before[#before + 1], i = name, i + #name - 1
    elseif not c:find "%s" then
      before[#before + 1] = c
    end
    i = i + 1
  end
  return { inside = stack[#stack], last = before[#before] }
end

return context
