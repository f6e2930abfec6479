--- What a recipe gets as its globals, and of mtl. Library tables are copies; no table of mtl's is within reach to be
-- changed, and metatables that are not the recipe's own are not seen. What catches errors does not catch being stopped,
-- and functions of C that may take long say so (core.box).
local core = require "mtl.core"
local strict = require "mtl.strict"

local environment = {}

local function set(names)
  local list = {}
  for name in names:gmatch("%S+") do
    list[name] = true
  end
  return list
end

local plain = set [[assert error ipairs next pairs rawequal rawget rawlen rawset select tonumber tostring type]]
local libraries = { "string", "table", "math", "utf8", "coroutine" }
local os_allowed = set "clock date difftime time"
local reformed = set [[string table math utf8 coroutine _G _VERSION require collectgarbage getmetatable setmetatable
  pcall xpcall print warn mtl]] -- in a form of the recipe's own

-- What a recipe sees of mtl: namespaces (each as a table of its own that reads through) and functions.
local namespaces = set "nn loss kpi metric policy optim when data transform io stages arch solve"
local functions = set "recipe dataset load version"
for name in pairs(require "mtl.names") do
  functions[name] = true
end
local writers = { save = "mtl.save", write_png = "mtl.io.write_png", write_npy = "mtl.io.write_npy" }

--- Whether a recipe may not use a global of Lua's, or a field of it: ("io"), ("os", "execute"). It is for those who
-- read code without running it.
function environment.denies(name, field)
  if name == "os" then
    return not os_allowed[field]
  elseif name == "string" then
    return field == "dump"
  end
  return name == "load" or _G[name] ~= nil and not plain[name] and not reformed[name]
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

-- A library whose functions of C say that they run.
local function guarded(library)
  local t = {}
  for k, v in pairs(library) do
    t[k] = type(v) == "function" and core.box.guard(v, k == "gmatch") or v
  end
  return t
end

-- Adds members to a family of mtl's, and replaces none.
local function definer(kind, family)
  return function(given)
    local definition = {}
    for key, value in next, type(given) == "table" and given or error(kind .. ".define: it takes a table", 2) do
      definition[key] = value
    end
    local name = definition.name
    if type(name) ~= "string" or not name:find "^%a[%w_]*$" then
      error(("%s.define: name should be a name"):format(kind), 2)
    elseif name == "define" or name == "names" or name == "check" or pcall(function() return family[name] end) then
      error(("%s.define: there is a %s '%s' already"):format(kind, kind, name), 2)
    end
    return family.define(definition)
  end
end

-- A table of its own that reads through to `source`: what a recipe writes stays in it.
local function window(name, source)
  local meta, own = { __metatable = false, __index = source }, {}
  function meta.__pairs()
    return pairs(copy(source))
  end
  if getmetatable(source) then
    function meta.__call(_, ...)
      return source(...)
    end
  end
  own.define = rawget(source, "define") and definer(name, source)
  for key, call in pairs(writers) do
    own[key] = rawget(source, key) and denied(call)
  end
  return setmetatable(own, meta)
end

--- What a recipe gets from require "mtl".
function environment.mtl(mtl)
  local windows = {}
  return setmetatable({}, {
    __metatable = false,
    __index = function(_, name)
      if namespaces[name] then
        windows[name] = windows[name] or mtl[name] and window(name, mtl[name])
        return windows[name]
      elseif functions[name] then
        return mtl[name]
      elseif writers[name] then
        return denied(writers[name])
      elseif pcall(function() return assert(mtl[name]) end) then
        refuse("mtl." .. tostring(name))
      end
      return mtl[name] -- unknown: mtl says so in its own way
    end,
  })
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

-- Text for the terminal, whose controls are not the recipe's.
local function shown(...)
  local parts = table.pack(...)
  for i = 1, parts.n do
    parts[i] = tostring(parts[i]):gsub("[%c\127]", function(c)
      return (c == "\n" or c == "\t") and c or "?"
    end)
  end
  return table.concat(parts, "\t", 1, parts.n)
end

local function guard_output(env)
  function env.print(...)
    io.stdout:write(shown(...), "\n")
  end
  function env.warn(...)
    io.stderr:write("mtl: the recipe warns: ", shown(...), "\n")
  end
end

local function guard_load(env)
  local compile = core.box.guard(load)
  function env.load(chunk, name, mode, ...)
    if mode ~= nil and mode ~= "t" and mode ~= "bt" then
      refuse "load of bytecode"
    elseif name ~= nil then -- one that could be a file's would pass for mtl's own code
      name = "=" .. tostring(name):gsub("^[=@]", "")
    end
    local target = env
    if select("#", ...) > 0 then
      target = ...
    end
    return compile(chunk, name or type(chunk) == "string" and "=(load)" or nil, "t", target)
  end
end

local function collector()
  local collect = core.box.guard(collectgarbage)
  return function(what)
    if what ~= nil and what ~= "collect" and what ~= "count" and what ~= "step" then
      refuse("collectgarbage '" .. tostring(what) .. "'")
    end
    return collect(what)
  end
end

-- Methods of texts are the guarded functions, for everyone: a recipe reaches them, but not the table.
local function lock_strings(functions_of)
  local meta = getmetatable("")
  if type(meta) == "table" then
    meta.__index = functions_of
    meta.__metatable = false -- locked from here on, for mtl's own code too
  end
end

--- A new table of globals, without `require`.
function environment.new()
  local env = {}
  for name in pairs(plain) do
    env[name] = _G[name]
  end
  for _, name in ipairs(libraries) do
    env[name] = copy(_G[name])
  end
  for _, name in ipairs { "string", "table", "utf8" } do
    env[name] = guarded(_G[name])
  end
  env.string.dump = denied "string.dump"
  lock_strings(copy(env.string))
  env.pcall, env.xpcall = core.box.pcall, core.box.xpcall
  env.coroutine.resume, env.coroutine.wrap = core.box.resume, core.box.wrap
  env.coroutine.close = core.box.close
  env.os = partly("os", os, os_allowed)
  env.io = partly("io", io, {})
  env.debug = partly("debug", debug, {})
  env.package = partly("package", package, {})
  env.dofile, env.loadfile = denied "dofile", denied "loadfile"
  env._G, env._VERSION = env, _VERSION
  env.collectgarbage = collector()
  guard_load(env)
  guard_output(env)
  guard_metatables(env)
  return setmetatable(env, { __metatable = false, __index = strict(env) })
end

return environment
