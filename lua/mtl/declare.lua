--- Declarations: what every constructor of a recipe returns. A declaration is a table with `kind` ("loss"), `type`
-- ("huber") and its checked options as fields; its methods come from its definition. A family (mtl.loss, mtl.kpi ...)
-- finds NAME in mtl/FAMILY/NAME.lua when it is first asked for. Definitions are out of reach of what recipes may write.
local arguments = require "mtl.arguments"
local nearest = require "mtl.nearest"
local param = require "mtl.param"
local place = require "mtl.place"

local declare = { fail = place.fail }
local title, keys = arguments.title, arguments.keys

local weak = { __mode = "k" }
local definition_of = setmetatable({}, weak) -- by constructor, and by declaration
local place_of = setmetatable({}, weak)      -- where each declaration was written: { source =, line = }

--- Where a declaration was written, or nil.
function declare.place(declaration)
  return place_of[declaration]
end

--- The definition behind a constructor or a declaration; nil for anything else.
function declare.definition(value)
  return definition_of[value]
end

function declare.is(value, kind)
  return definition_of[value] ~= nil and type(value) == "table" and (kind == nil or value.kind == kind)
end

-- Checks all options of a declaration, and lets its definition derive from them. Returns what is wrong, or nil.
local function wrong(definition, self)
  for _, name in ipairs(keys(definition)) do
    local message = param.wrong(definition.params[name], name, self[name])
    if message then
      return ("%s: %s"):format(title(definition), message)
    end
  end
  local message = definition.derive and definition.derive(self)
  return message and ("%s: %s"):format(title(definition), message) or nil
end

local function construct(definition, ...)
  local self = { kind = definition.family.kind, type = definition.name }
  local options = arguments.read(definition, ...)
  for name, spec in pairs(definition.params) do
    self[name] = options[name]
    if options[name] == nil then
      self[name] = param.default(spec)
    end
  end
  if definition.family.stateful then
    self.state = {}
  end
  definition_of[self], place_of[self] = definition, place.here()
  setmetatable(self, definition.meta)
  local message = wrong(definition, self)
  if message then
    place.fail(message)
  end
  return self
end

--- A declaration of its own with the same options.
function declare.copy(self)
  local copy = {}
  for key, value in pairs(self) do
    if param.plain(value) then
      local list = {}
      for k, v in pairs(value) do
        list[k] = v
      end
      value = list
    end
    copy[key] = value
  end
  definition_of[copy], place_of[copy] = definition_of[self], place_of[self]
  return setmetatable(copy, getmetatable(self))
end

--- A copy with one option changed, checked anew. @return copy, or nil and what is wrong
function declare.with(self, key, value)
  local definition, copy = definition_of[self], declare.copy(self)
  if definition.gather and not definition.params[key] then
    copy[definition.gather][key] = value
  elseif definition.params[key] then
    copy[key] = value
  else
    return nil, arguments.unknown(definition, key)
  end
  local message = wrong(definition, copy)
  if message then
    return nil, message
  end
  return copy
end

local base = {} -- methods of every declaration

--- An instance at work: its own state, its counts at zero.
function base:new()
  local object = declare.copy(self)
  if definition_of[self].family.stateful then
    object.state = {}
  end
  if object.reset then
    object:reset()
  end
  return object
end

local function text(self)
  local definition, shown = definition_of[self], {}
  for i, element in ipairs(definition.list and self[definition.list] or {}) do
    shown[i] = tostring(element)
  end
  for _, name in ipairs(keys(definition)) do
    if self[name] ~= nil and name ~= definition.list then
      shown[#shown + 1] = name .. " = " .. param.show(self[name])
    end
  end
  return #shown > 0 and ("%s { %s }"):format(title(definition), table.concat(shown, ", ")) or title(definition) .. "()"
end

local structure = { name = true, params = true, positional = true, list = true, gather = true, family = true,
  derive = true, meta = true }

--- Adds a definition to a family. Its other fields become methods and properties of the declarations.
-- @param definition name; params = option specs (see param.lua); positional = names of arguments in order; list = the
-- option that takes the table's list; gather = the option that takes unknown names; derive = function(self) -> message,
-- after the options are checked
-- @return the constructor
local function define(family, definition)
  assert(type(definition) == "table" and type(definition.name) == "string", "define: a definition needs a name")
  local own_definition, methods = {}, {}
  for key, value in pairs(definition) do
    own_definition[key] = value
  end
  definition = own_definition
  definition.family, definition.params = family, definition.params or {}
  for _, source in ipairs { base, family.methods, definition } do
    for key, value in pairs(source) do
      if not structure[key] then
        methods[key] = value
      end
    end
  end
  definition.meta = { __index = methods, __tostring = text, __name = "mtl.declaration", __bor = family.bor,
    __band = family.band, __call = family.call }
  local function constructor(...)
    return construct(definition, ...)
  end
  definition_of[constructor] = definition
  return constructor
end

-- Whether there is a module of this name, without running it. The program has all of them in it: what lies in files
-- beside it is not mtl's.
local function there(name)
  return package.loaded[name] or package.preload[name]
    or not package.preload["mtl.declare"] and package.searchpath(name, package.path)
end

-- Whether a definition is mtl's: made in one of its files, or of its functions (a tail call hides who calls).
local function is_own(definition)
  local mine = debug.getinfo(3, "S").source:sub(1, #place.own) == place.own
  for _, value in pairs(definition) do
    mine = mine or type(value) == "function" and debug.getinfo(value, "S").source:sub(1, #place.own) == place.own
  end
  return mine
end

-- Modules of a family's folder: embedded ones, and in a stock Lua the files beside its init.lua.
local function modules(kind)
  local list, start = {}, "mtl." .. kind .. "."
  for name in pairs(package.preload) do
    if name:sub(1, #start) == start then
      list[#list + 1] = name:sub(#start + 1)
    end
  end
  local folder = (package.searchpath("mtl." .. kind, package.path) or ""):match "^(.*)/init%.lua$"
  if folder then
    for _, file in ipairs(require "mtl.core".listdir(folder)) do
      list[#list + 1] = file:match "^([%w_]+)%.lua$"
    end
  end
  return list
end

--- A family of declarations, as a table that finds its members by name. Beside them it holds `define`.
-- @param options methods = what all its declarations have; stateful = whether they carry `state`; bor, band, call =
-- operators
function declare.family(kind, options)
  options = options or {}
  local info = { kind = kind, methods = options.methods or {}, stateful = options.stateful, bor = options.bor,
    band = options.band, call = options.call }
  local family = {}
  local function find(name)
    local module = "mtl." .. kind .. "." .. name
    if name ~= "init" and name:match "^%a[%w_]*$" and there(module) then
      local constructor = require(module)
      return definition_of[constructor] and constructor or nil
    end
  end
  function info.names()
    local seen, list = {}, {}
    for name, value in pairs(family) do
      seen[name] = definition_of[value] ~= nil
    end
    for _, name in ipairs(modules(kind)) do
      seen[name] = find(name) ~= nil
    end
    for name, good in pairs(seen) do
      list[#list + 1] = good and name or nil
    end
    table.sort(list)
    return list
  end
  --- Adds a member: one file of the family's folder returns what this returns.
  function family.define(definition)
    local constructor = define(info, definition)
    local name = definition.name
    if not is_own(definition) and (rawget(family, name) or there("mtl." .. kind .. "." .. name)) then
      place.fail(("%s.define: there is a %s '%s' already"):format(kind, kind, name))
    end
    family[name] = constructor
    return constructor
  end
  --- All members, sorted.
  family.names = info.names
  return setmetatable(family, {
    __index = function(_, name)
      local constructor = type(name) == "string" and find(name)
      if not constructor then
        place.fail(nearest.unknown(kind == "nn" and "layer" or kind, name, info.names()))
      end
      family[name] = constructor
      return constructor
    end,
  })
end

return declare
