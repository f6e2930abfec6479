--- The arguments of a command. An option is { name =, help =, value = "N" (none: a flag), many = true, optional = true
-- (a value only as --name=value), short = "o" (also -o N), read = function(text) -> value, or nil and what it should
-- be }.
local nearest = require "mtl.nearest"

local args = {}

local function fail(command, format, ...)
  error(("%s: "):format(command.name) .. format:format(...), 0)
end

-- What reads values: numbers from people are checked, digit by digit.
local function whole(least, most)
  local should = ("a whole number of at least %d"):format(least)
  return function(s)
    local n = s:match "^%d+$" and math.tointeger(tonumber(s))
    if n and n >= least and n > most then
      return nil, ("a whole number of at most %d"):format(most)
    end
    return n and n >= least and n or nil, should
  end
end

args.count = whole(0, 1 << 53)
args.size = whole(1, 1 << 53)
args.threads = whole(1, 1024)

local units = { [""] = 0, K = 10, M = 20, G = 30, T = 40 }

--- "500M" or "1.5 GiB" -> bytes; 0: no limit
function args.bytes(s)
  local number, unit = s:upper():match "^(%d+%.?%d*)%s*([KMGT]?)I?B?$"
  local bytes = number and tonumber(number) * (1 << units[unit])
  return bytes and bytes < 1 << 53 and math.floor(bytes) or nil, "a size, as 500M or 8G (0: no limit)"
end

function args.path(s)
  return s ~= "" and s or nil, "a path"
end

--- A reader of names that commas separate, blanks around them allowed. @param should what they are, for messages
function args.names(should)
  return function(s)
    local names = {}
    for name in s:gmatch "[^,]+" do
      name = name:match "^%s*(.-)%s*$"
      names[#names + 1] = name ~= "" and name or nil
    end
    return #names > 0 and names or nil, should
  end
end

function args.device(s)
  return (s == "cpu" or s == "opencl" or s:match "^opencl:[1-9]%d*$") and s or nil,
    "cpu, opencl or opencl:N, as mtl devices lists them"
end

--- stages.2.policy.gamma=1 -> { "stages.2.policy.gamma", "1" }
function args.assignment(s)
  local path, value = s:match "^([^=%s]+)=(.*)$"
  return path and { path, value } or nil, "path=value, as in stages.2.policy.gamma=1"
end

function args.choice(...)
  local list = { ... }
  return function(s)
    for _, choice in ipairs(list) do
      if s == choice then
        return s
      end
    end
    local near = nearest.find(s, list)
    return nil, "one of " .. table.concat(list, ", ") .. (near and ("; did you mean '%s'?"):format(near) or "")
  end
end

local function find(command, name)
  local names = { "help" }
  for _, option in ipairs(command.options or {}) do
    if option.name == name then
      return option
    end
    names[#names + 1] = option.name
  end
  local near = nearest.find(name, names)
  fail(command, "unknown option '--%s'%s", name, near and ("; did you mean '--%s'?"):format(near)
    or ("; 'mtl help %s' lists them"):format(command.name))
end

local function put(command, options, option, given)
  local value = true
  if given and option.read then
    local should
    value, should = option.read(given)
    if value == nil then
      fail(command, "--%s is '%s', which should be %s", option.name, given, should)
    end
  elseif given then
    value = given
  end
  local key = option.name:gsub("-", "_")
  if option.many then
    options[key] = options[key] or {}
    table.insert(options[key], value)
  else
    options[key] = value
  end
end

-- The long name of -o, where the command has such an option.
local function long_of(command, letter)
  for _, option in ipairs(command.options or {}) do
    if option.short == letter then
      return "--" .. option.name
    end
  end
end

-- One --name or --name=value at list[i]; returns the place of the next argument.
local function read_option(command, options, list, i)
  local name, value = list[i]:match "^%-%-([^=]+)=(.*)$"
  name = name or list[i]:match "^%-%-(.+)$"
  local option = find(command, name)
  if not option.value then
    if value then
      fail(command, "--%s takes no value, and was given '%s'", name, value)
    end
  elseif not value and not option.optional then
    i = i + 1
    value = list[i]
    if not value or value:match "^%-%-" then
      fail(command, "--%s needs a value: --%s %s", name, name, option.value)
    end
  end
  put(command, options, option, value)
  return i + 1
end

local function check_count(command, rest)
  local names = command.arguments or {}
  local least = names.least or #names
  if #rest < least then
    fail(command, "%s is missing; usage: %s", names[#rest + 1], command.usage[1])
  elseif #rest > #names and not command.script and not names.rest then
    fail(command, "'%s' is one argument too many; usage: %s", rest[#names + 1], command.usage[1])
  end
end

--- Reads list[first ...] for a command. With command.script, all that follows the first argument is the script's.
-- @return options by name (help = true: nothing was checked further), other arguments
function args.parse(command, list, first)
  local options, rest, i = {}, {}, first or 1
  local only_rest = false
  while list[i] do
    local a = list[i]
    local long = not only_rest and a:match "^%-(%l)$" and long_of(command, a:sub(2))
    if long then
      list[i], a = long, long
    end
    if only_rest or a == "-" or not a:match "^%-" then
      rest[#rest + 1] = a
      only_rest = only_rest or command.script
      i = i + 1
    elseif a == "--" then
      only_rest = true
      i = i + 1
    elseif a == "--help" or a == "-h" then
      return { help = true }, {}
    elseif a:match "^%-%-" then
      i = read_option(command, options, list, i)
    else
      fail(command, "unknown option '%s'; options are words: --%s", a, (command.options or {})[1]
        and command.options[1].name or "help")
    end
  end
  check_count(command, rest)
  return options, rest
end

return args
