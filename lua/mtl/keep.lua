--- mtl.save and mtl.load for modules: parameters, statistics and an optimizer's moments in one safetensors file, named
-- as PyTorch names them, so that other programs read them too.
local core = require "mtl.core"
local element = require "mtl.element"
local declare = require "mtl.declare"
local module = require "mtl.module"
local nearest = require "mtl.nearest"
local path = require "mtl.path"

local keep = {}

--- Whether a value is a module, or a table of modules by name.
function keep.is(what)
  if declare.is(what, "nn") then
    return true
  elseif type(what) ~= "table" or getmetatable(what) or next(what) == nil then
    return false
  end
  for name, part in pairs(what) do
    if type(name) ~= "string" or not declare.is(part, "nn") then
      return false
    end
  end
  return true
end

-- { { name =, module = }, ... }: a module alone has no name.
local function parts_of(who, what)
  if not keep.is(what) then
    declare.fail(who .. ": it takes a module, or modules by name: { trunk = trunk, head = head }")
  elseif declare.is(what, "nn") then
    return { { name = "", module = what } }
  end
  local list = {}
  for name, part in pairs(what) do
    list[#list + 1] = { name = name, module = part }
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

-- All tensors of a frozen module, by their names in a file.
local function tensors_of(part)
  local model, prefix, list = module.model(part.module, "save"), part.name ~= "" and part.name .. "." or "", {}
  for _, source in ipairs { model:parameters(), model:states() } do
    for _, entry in ipairs(source) do
      list[#list + 1] = { prefix .. entry.name, entry.tensor }
    end
  end
  return list
end

local function moments_of(opt)
  local list = {}
  for i, optimizer in ipairs(opt and opt:optimizers() or {}) do
    for k, moment in ipairs { optimizer:moments() } do
      list[#list + 1] = { ("optimizer.%d.%s"):format(i, k == 1 and "first" or "second"), moment }
    end
  end
  return list
end

--- mtl.save(path, net [, opt]): replaces the file whole. @param what a module, or { trunk = trunk, head = head }
function keep.save(file, what, opt)
  local info, all = { format = 1, modules = {} }, {}
  for _, part in ipairs(parts_of("mtl.save", what)) do
    local own = tensors_of(part)
    local state = module.state(part.module)
    table.move(own, 1, #own, #all + 1, all)
    info.modules[part.name] = { model = state.text, inputs = state.shapes, seed = state.seed,
      passes = state.model:passes() }
  end
  if opt then
    info.optimizer = { type = opt.decl.type, made = opt.made, lr = opt.fixed, counts = core.array {} }
    for i, optimizer in ipairs(opt:optimizers()) do
      info.optimizer.counts[i] = core.array(optimizer:counts())
    end
    local own = moments_of(opt)
    table.move(own, 1, #own, #all + 1, all)
  end
  core.safetensors_write(path.check(file, "write"), all, { { "mtl", core.json_encode { module = info } } })
end

local function open(file)
  local kept = core.safetensors_read(path.check(file, "read"))
  local ok, info = pcall(core.json_decode, kept:meta "mtl" or "")
  info = ok and type(info) == "table" and type(info.module) == "table" and info.module
  if not info or type(info.modules) ~= "table" then
    error(("%s: mtl.save did not write this file"):format(file), 0)
  elseif info.format ~= 1 then
    error(("%s is of format %s, and this mtl reads 1"):format(file, tostring(info.format)), 0)
  end
  return kept, info
end

-- Everything that is asked for must be there, in its shape, before anything is changed. Modules that
-- were not asked for may be in the file too.
local function check(file, kept, parts, wanted)
  local there, known = {}, {}
  for _, name in ipairs(kept:names()) do
    there[name] = true
  end
  for _, entry in ipairs(wanted) do
    local name, tensor = entry[1], entry[2]
    known[name] = true
    if not there[name] then
      error(("%s: %s"):format(file, nearest.unknown("tensor", name, there)), 0)
    end
    entry[3] = kept:tensor(name)
    if not element.same_shape(entry[3], tensor) then
      error(("%s: '%s' is of shape [%s], and the module's of [%s]"):format(file, name,
        table.concat(entry[3]:shape(), ", "), table.concat(tensor:shape(), ", ")), 0)
    end
  end
  for _, part in ipairs(parts) do
    local prefix = part.name ~= "" and part.name .. "." or ""
    for name in pairs(there) do
      if name:sub(1, #prefix) == prefix and not known[name] and not name:match "^optimizer%.%d+%." then
        error(("%s: it holds '%s', which the module does not have"):format(file, name), 0)
      end
    end
  end
end

--- mtl.load(path, net [, opt]): what mtl.save wrote, into modules of the same layers. One that was not called yet
-- gets its parameters so, and its dropout goes on as that of the saved one did. @return the modules
function keep.load(file, what, opt)
  local kept, info = open(file)
  local parts, wanted = parts_of("mtl.load", what), {}
  for _, part in ipairs(parts) do
    local state = info.modules[part.name]
    if not state then
      error(part.name == "" and ("%s holds several modules: load them by their names"):format(file)
        or ("%s: %s"):format(file, nearest.unknown("module", part.name, info.modules)), 0)
    end
    if not module.model(part.module) then
      part.module:freeze { inputs = state.inputs, seed = state.seed }
    end
    part.state = state
    local own = tensors_of(part)
    table.move(own, 1, #own, #wanted + 1, wanted)
  end
  local o = opt and (info.optimizer or error(("%s was saved without an optimizer"):format(file), 0))
  if o and (o.type ~= opt.decl.type or #o.counts ~= #opt.parts) then
    error(("%s: its optimizer is %s of %d modules, and this one %s of %d"):format(file, o.type, #o.counts,
      opt.decl.type, #opt.parts), 0)
  end
  local moments = moments_of(opt)
  check(file, kept, parts, table.move(moments, 1, #moments, #wanted + 1, wanted))
  core.no_grad(function()
    for _, entry in ipairs(wanted) do
      entry[2]:copy_(entry[3])
    end
  end)
  for _, part in ipairs(parts) do
    module.model(part.module):passes(part.state.passes)
  end
  if o then
    for i, optimizer in ipairs(opt:optimizers()) do
      optimizer:counts(o.counts[i])
    end
    opt.made, opt.fixed = o.made, math.type(o.lr) and o.lr or nil
  end
  return what
end

return keep
