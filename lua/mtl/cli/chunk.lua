--- What is typed at a prompt, or piped to it, as pieces of code that can be run: an expression where it is one, over as
-- many lines as it takes to be whole; or one of the commands that begin with "%".
local chunk = {}

local function callable(value)
  return type(value) == "function" or (debug.getmetatable(value) or {}).__call ~= nil
end

-- Code of the lines so far. @return function; or nil, the message, and whether more lines could make it whole
local function compile(text, source)
  text = text:gsub("^%s*=", function(s) return s:sub(1, -2) .. " " end)
  local value, not_value = load("return " .. text, source, "t")
  if value then
    return value
  end
  local code, message = load(text, source, "t")
  local more = not code and (not_value .. message):find "near <eof>" ~= nil
  local first = text:match "^%s*([%w_]+)" or text:match "^%s*(%p)"
  if not code and first and message:find("unexpected symbol near '" .. first .. "'", 1, true) then
    message = not_value -- no statement begins so: what is wrong is wrong with an expression
  end
  local name, given = text:match "^%s*([%a_][%w_]*)[ \t]+([%w_%.]+)%s*$"
  if not code and name and callable(rawget(_G, name)) then -- step 50, help policy.focal
    message = message .. ("; a call is written %s"):format(tonumber(given) and ("%s(%s)"):format(name, given)
      or ('%s "%s"'):format(name, given))
  end
  return code, message, more
end

local commands = {}

--- %time CODE: says how long it took.
function commands.time(text, source)
  local code, message, more = compile(text, source)
  return code and { run = code, timed = true }, message, more
end

--- %load FILE: runs it as if it had been typed.
function commands.load(text)
  local file = text:match "^%s*[\"']?(.-)[\"']?%s*$"
  if file == "" then
    return nil, "%load: which file? %load FILE"
  end
  local code, message = loadfile(file, "t")
  return code and { run = code }, message
end

--- %device [NAME]: what computes from now on; without a name: what does.
function commands.device(text)
  return { device = text:match "%S+" or true }
end

-- @return { run = function, timed = } or { device = }; or nil, the message, and whether it may go on
local function parse(text, source)
  local start, name, rest = text:match "^(%s*)%%(%a*)(.*)$"
  if not start then
    local code, message, more = compile(text, source)
    return code and { run = code }, message, more
  elseif not commands[name] then
    return nil, ("there is no command '%%%s'; there are %%time CODE, %%load FILE, %%device [NAME]"):format(name)
  end
  return commands[name](start .. rest, source)
end

--- Reads one piece. @param read function(lines so far, or nil) -> a line; nil: the end; false: they are given up
-- @param source name of the lines, for messages; first: the number of the first one
-- @return the piece; nil: the end; false: nothing to run, and then what is wrong, if anything. And the lines.
function chunk.read(read, source, first)
  local lines = {}
  while true do
    local line = read(#lines > 0 and table.concat(lines, "\n") or nil)
    if line == false or line == nil and #lines == 0 then
      return line, nil, lines
    end
    lines[#lines + 1] = line
    local text = table.concat(lines, "\n")
    if not text:find "%S" then
      return false, nil, lines
    end
    local piece, message, more = parse(("\n"):rep(first and first() - #lines or 0) .. text, source)
    if piece then
      return piece, nil, lines
    elseif line == nil or not more then
      return false, message, lines
    end
  end
end

--- Lines as one, for the history; nil where that would not be the same code.
function chunk.joined(lines)
  local trimmed, all = {}, table.concat(lines, "\n")
  for i, line in ipairs(lines) do
    trimmed[i] = line:match "^%s*(.-)%s*$"
  end
  local text = table.concat(trimmed, " ")
  return not (all:find "%-%-" or all:find "%[=*%[" or all:find "\\\n") and parse(text, "=line") and text or nil
end

return chunk
