--- Recipes are other people's programs: they run with an allow-list as their environment (environment.lua), and require
-- finds mtl and Lua files beside them. trust = true lifts it all.
local core = require "mtl.core"
local environment = require "mtl.environment"
local path = require "mtl.path"
local place = require "mtl.place"
local strict = require "mtl.strict"

local sandbox = {}

--- Whether a recipe may not use a global of Lua's: see environment.denies.
sandbox.denies = environment.denies

local statements = { ["end"] = true, ["return"] = true, ["local"] = true, ["if"] = true, ["for"] = true,
  ["while"] = true, ["do"] = true, ["then"] = true, ["else"] = true }

-- What may be wrong where Lua finds a value in place of a bracket that closes: a comma before it.
local function comma_hint(message, text)
  local line, token = message:match ":(%d+): '[})]' expected.- near '(.*)'$"
  if not token or not token:find "^[%a_{\"'%d]" or statements[token] then
    return ""
  end
  local lines, at = {}, math.tointeger(tonumber(line))
  for s in (text .. "\n"):gmatch "([^\n]*)\n" do
    lines[#lines + 1] = s:gsub("%-%-.*", ""):match "^%s*(.-)%s*$"
  end
  local before = at
  if lines[at] and lines[at]:sub(1, #token) == token then -- what is before it stands further up
    repeat
      before = before - 1
    until before < 1 or lines[before] ~= ""
  end
  return ("; is a comma missing before it%s?"):format(before < at and before > 0 and ", at the end of line " .. before
    or "")
end

-- Notes a file as part of the recipe and compiles it.
local function compile(box, absolute, shown, env)
  local text = core.file_read(absolute)
  local name = absolute:sub(#box.folder + 2)
  box.files[#box.files + 1] = { name = name, path = absolute, text = text }
  local source = text:gsub("^#[^\n]*", "", 1) -- a first line for the shell
  if ("@" .. shown):sub(1, #place.own) == place.own then
    shown = "./" .. shown -- so begin the names of mtl's own files
  end
  local chunk, message = load(source, "@" .. shown, "t", env)
  return chunk or error(message .. comma_hint(message, source))
end

-- The Lua file that a required name stands for, or nil: dots are folders below the recipe's.
local function find(box, name)
  if not name:match("^[%w_%-]+[%w_%-%.]*$") or name:find("..", 1, true) then
    return nil
  end
  local below = name:gsub("%.", "/")
  for _, candidate in ipairs { below .. ".lua", below .. "/init.lua" } do
    local shown = path.join(box.shown, candidate)
    if core.stat(path.join(box.folder, candidate)) then
      return path.check(candidate, "read", box.folder), shown
    end
  end
end

local function make_require(box, env)
  local loaded, loading = {}, {}
  return function(name)
    if type(name) ~= "string" then
      error("require: a name should be a text, got " .. type(name), 2)
    elseif name == "mtl" then
      box.mtl = box.mtl or environment.mtl(require "mtl")
      return box.mtl
    elseif loaded[name] ~= nil then
      return loaded[name]
    elseif loading[name] then
      error(("require '%s': this file requires itself"):format(name), 2)
    end
    local absolute, shown = find(box, name)
    if not absolute then
      error(("require '%s': a recipe may require 'mtl' and Lua files beside it, and there is no such file in %s")
        :format(name, box.shown), 2)
    end
    loading[name] = true
    local value = compile(box, absolute, shown, env)(name, shown)
    loading[name] = nil
    loaded[name] = value == nil and true or value
    return loaded[name]
  end
end

-- With trust: Lua as it is, but that a name without a value is an error here too; require also finds the files beside
-- the recipe, first.
local function trusted_environment(box)
  local env = setmetatable({}, { __index = strict(_G), __newindex = _G })
  table.insert(package.searchers, 2, function(name)
    local absolute, shown = find(box, name)
    if absolute then
      return compile(box, absolute, shown, env), shown
    end
  end)
  return env
end

--- Makes a recipe's file ready to run: sandbox.load(file, { trust =, roots = { folders it may read } }).
-- @return chunk, box. box.files lists { name =, path =, text = } of every file loaded so far, the recipe first;
-- box.folder is its folder, without links.
function sandbox.load(file, options)
  options = options or {}
  local absolute, message = core.realpath(file)
  if not absolute then
    error(message, 0)
  elseif core.stat(absolute).type ~= "file" then
    error(("'%s' is not a file"):format(file), 0)
  end
  local box = { files = {}, folder = (path.split(absolute)), shown = (path.split(file)) }
  path.allow(box.folder)
  for _, root in ipairs(options.roots or {}) do
    path.allow(root)
  end
  if not options.trust then
    path.confine()
  end
  math.randomseed(1) -- Lua seeds it by the clock; a recipe that uses it should do the same each time
  local env = options.trust and trusted_environment(box) or environment.new()
  if not options.trust then
    env.require = make_require(box, env)
  end
  return compile(box, absolute, file, env), box
end

return sandbox
