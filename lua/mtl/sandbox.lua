--- Recipes are other people's programs: they run with an allow-list as their environment.
-- No io, os (but clock, date, time), debug, package, dofile or bytecode; require finds mtl and Lua files beside it;
-- library tables are copies; metatables that are not the recipe's own are out of reach. trust = true lifts it all.
local core = require "mtl.core"
local path = require "mtl.path"

local sandbox = {}

local function set(names)
  local list = {}
  for name in names:gmatch("%S+") do
    list[name] = true
  end
  return list
end

local plain = set [[assert error ipairs next pairs pcall print rawequal rawget rawlen rawset select tonumber tostring
  type warn xpcall]]
local libraries = { "string", "table", "math", "utf8", "coroutine" }
local os_allowed = set "clock date difftime time"
sandbox.given = set [[string table math utf8 coroutine _G _VERSION require collectgarbage getmetatable setmetatable
  mtl]] -- in a form of the recipe's own

-- What a recipe sees of mtl: namespaces (each as a table of its own that reads through) and functions.
local namespaces = set "nn loss kpi metric policy optim when data transform io stages arch solve"
local functions = set "recipe dataset load save version"
for name in pairs(require "mtl.names") do
  functions[name] = true
end

--- Whether a recipe may not use a global of Lua's, or a field of it: ("io"), ("os", "execute"). It is for those who
-- read code without running it.
function sandbox.denies(name, field)
  if name == "os" then
    return not os_allowed[field]
  elseif name == "string" then
    return field == "dump"
  end
  return name == "load" or _G[name] ~= nil and not plain[name] and not sandbox.given[name]
end

local function refuse(name)
  error(("%s: a recipe may not use it; run with --trust to allow what any Lua program may do"):format(name), 3)
end

local function denied(name)
  return function()
    refuse(name)
  end
end

local function copy(library)
  local t = {}
  for k, v in pairs(library) do
    t[k] = v
  end
  return t
end

-- A library of which only some functions may be called; the others say so when they are.
local function partly(name, library, allowed)
  local t = {}
  for k, v in pairs(library) do
    if allowed[k] then
      t[k] = v
    elseif type(v) == "function" then
      t[k] = denied(name .. "." .. k)
    end
  end
  return t
end

-- A table of its own that reads through to `source`: what a recipe writes stays in it.
local function window(source)
  local meta = { __metatable = false, __index = source }
  function meta.__pairs()
    return pairs(copy(source))
  end
  if getmetatable(source) then
    function meta.__call(_, ...)
      return source(...)
    end
  end
  return setmetatable({}, meta)
end

--- What a recipe gets from require "mtl".
function sandbox.expose(mtl)
  local windows = {}
  return setmetatable({}, {
    __metatable = false,
    __index = function(_, name)
      if namespaces[name] then
        windows[name] = windows[name] or mtl[name] and window(mtl[name])
        return windows[name]
      elseif functions[name] then
        return mtl[name]
      elseif pcall(function() return assert(mtl[name]) end) then
        refuse("mtl." .. tostring(name))
      end
      return mtl[name] -- unknown: mtl says so in its own way
    end,
  })
end

local function read(absolute, shown)
  local file <close>, message = io.open(absolute, "rb")
  local text = file and file:read("a")
  return text or error(("%s: %s"):format(shown, message or "cannot be read"), 0)
end

-- Notes a file as part of the recipe and compiles it.
local function compile(box, absolute, shown, env)
  local text = read(absolute, shown)
  local name = absolute:sub(#box.folder + 2)
  box.files[#box.files + 1] = { name = name, path = absolute, text = text }
  local source = text:gsub("^#[^\n]*", "", 1) -- a first line for the shell
  return assert(load(source, "@" .. shown, "t", env))
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
      box.mtl = box.mtl or sandbox.expose(require "mtl")
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

-- Metatables: a recipe sees and changes those that it has set itself.
local function guard_metatables(env)
  local own = setmetatable({}, { __mode = "k" })
  function env.getmetatable(value)
    local meta = getmetatable(value)
    if type(meta) == "table" and not own[meta] then
      return false
    end
    return meta
  end
  function env.setmetatable(t, meta)
    local old = getmetatable(t)
    if old ~= nil and not own[old] then
      error("setmetatable: this table is mtl's", 2)
    elseif type(meta) == "table" then
      if rawget(meta, "__gc") ~= nil then
        error("setmetatable: a recipe may not have finalisers (__gc)", 2)
      end
      own[meta] = true
    end
    return setmetatable(t, meta)
  end
end

local function environment(box)
  local env = {}
  for name in pairs(plain) do
    env[name] = _G[name]
  end
  for _, name in ipairs(libraries) do
    env[name] = copy(_G[name])
  end
  env.string.dump = denied "string.dump"
  env.os = partly("os", os, os_allowed)
  env.io = partly("io", io, {})
  env.debug = partly("debug", debug, {})
  env.package = partly("package", package, {})
  env.dofile, env.loadfile = denied "dofile", denied "loadfile"
  env._G, env._VERSION = env, _VERSION
  function env.collectgarbage(what)
    if what ~= nil and what ~= "collect" and what ~= "count" and what ~= "step" then
      refuse("collectgarbage '" .. tostring(what) .. "'")
    end
    return collectgarbage(what)
  end
  function env.load(chunk, name, mode, ...)
    if mode ~= nil and mode ~= "t" and mode ~= "bt" then
      refuse "load of bytecode"
    end
    local target = env
    if select("#", ...) > 0 then
      target = ...
    end
    return load(chunk, name, "t", target)
  end
  guard_metatables(env)
  env.require = make_require(box, env)
  if getmetatable("") then
    getmetatable("").__metatable = false -- locked from here on, for mtl's own code too
  end
  return env
end

-- With trust: Lua as it is; require also finds the files beside the recipe, first.
local function trusted_environment(box)
  table.insert(package.searchers, 2, function(name)
    local absolute, shown = find(box, name)
    if absolute then
      return compile(box, absolute, shown, _G), shown
    end
  end)
  return _G
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
  local env = options.trust and trusted_environment(box) or environment(box)
  return compile(box, absolute, file, env), box
end

return sandbox
