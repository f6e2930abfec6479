--- Modules at work, in loops of one's own: net(x) runs a layer, a container or an nn.graph. The first call freezes it
-- into an arena of its own: widths left nil are inferred from the batch, parameters are drawn. From then on it is a
-- model, and neither it nor its layers can become part of another.
local core = require "mtl.core"
local declare = require "mtl.declare"
local device = require "mtl.device"
local nearest = require "mtl.nearest"
local sorted = require "mtl.sorted"

local module = { methods = {} }
local methods = module.methods

local weak = { __mode = "k" }
local live = setmetatable({}, weak)  -- by declaration: { model =, text =, shapes =, seed =, outputs = }
local used = setmetatable({}, weak)  -- modules that are used, not trained
local owner = setmetatable({}, weak) -- by a layer within: the frozen module that it is part of

local fail = declare.fail

--- Refuses a module that lives in an arena already: its parameters cannot be those of another model.
function module.check_free(declaration)
  if live[declaration] or owner[declaration] then
    fail(("this %s is part of a model that was called or frozen already, so another model cannot have it; make a new "
      .. "one, nn.%s ..."):format(declaration.type, declaration.type))
  end
end

-- Notes all layers within a module.
local function adopt(self, top)
  for _, child in ipairs(self.children or {}) do
    owner[child] = top
    adopt(child, top)
  end
  for _, node in ipairs(self.nodes or {}) do
    owner[node[2]] = top
    adopt(node[2], top)
  end
end

-- { 3 } stands for { { 3 } }; by name, or in the order of the model's inputs.
local function shapes_of(model, inputs)
  local shapes, names = {}, model:inputs()
  if type(inputs) == "table" and #names == 1 and math.type(inputs[1]) then
    inputs = { inputs }
  end
  for i, name in ipairs(names) do
    shapes[i] = type(inputs) == "table" and (inputs[i] or inputs[name]) or fail(("freeze: inputs should give the shape "
      .. "of '%s' without the batch, as inputs = { 28, 28 }%s"):format(name, #names > 1 and "; for several inputs, "
      .. "shapes by name" or ""))
  end
  return shapes
end

local freeze_keys = { seed = true, device = true, inputs = true }

--- Gives the module its parameters before the first call. @param options inputs: the shape of an input without the
-- batch (several inputs: shapes by name); seed (default: drawn, after mtl.manual_seed); device (default: $MTL_DEVICE,
-- or the CPU)
-- @return the module
function methods:freeze(options)
  if live[self] then
    fail(("freeze: this %s has its parameters already"):format(self.type))
  end
  module.check_free(self)
  options = options or {}
  for key in pairs(options) do
    if not freeze_keys[key] then
      fail(("freeze: unknown option '%s'%s"):format(tostring(key), nearest.hint(key, freeze_keys)))
    end
  end
  local names = self.type == "graph" and sorted(self.outputs) or nil
  local text = core.json_encode(self:description(names))
  local model = core.model(text)
  local shapes = shapes_of(model, options.inputs)
  local seed = options.seed or math.tointeger(core.rand(1):item() * 2 ^ 24)
  model:freeze { seed = seed, device = options.device or device.default(), inputs = shapes }
  live[self] = { model = model, text = text, shapes = shapes, seed = seed, outputs = names }
  adopt(self, self)
  return self
end

local function shape_of(x)
  local shape = core.type(x) == "mtl.tensor" and x:shape()
  if not shape or #shape == 0 then
    fail "a module is called with a batch: a tensor [rows, ...], or tensors by the names of its inputs"
  end
  table.remove(shape, 1)
  return shape
end

-- The shapes of a first batch.
local function shapes_in(x)
  if core.type(x) == "mtl.tensor" or type(x) ~= "table" then
    return shape_of(x)
  end
  local shapes = {}
  for key, tensor in pairs(x) do
    shapes[key] = shape_of(tensor)
  end
  return shapes
end

--- module(x): outputs for a batch. A graph gives its outputs by name.
function module.call(self, x)
  if not live[self] then
    self:freeze { inputs = shapes_in(x) }
  end
  local m = live[self]
  local outputs = m.model:forward(core.type(x) == "mtl.tensor" and { x } or x, -1, not used[self])
  if not m.outputs then
    return outputs[1]
  end
  local named = {}
  for i, name in ipairs(m.outputs) do
    named[name] = outputs[i]
  end
  return named
end

--- The core.model of a module; nil before it is frozen. @param who for an error instead of nil
function module.model(self, who)
  local m = live[self]
  if not m and who then
    fail(("%s: this %s has no parameters yet: call it with a batch first, or %s:freeze { inputs = ... }"):format(who,
      self.type, self.type == "graph" and "graph" or "net"))
  end
  return m and m.model
end

--- { name =, tensor =, tasks = }, ...; names are PyTorch's, gradients are tensor:grad().
function methods:parameters()
  return module.model(self, "parameters"):parameters()
end

--- How many numbers it learns.
function methods:count()
  return module.model(self, "count"):count()
end

function methods:zero_grad()
  module.model(self, "zero_grad"):zero_grad()
  return self
end

--- Dropout acts and batch norm uses each batch's statistics: so a module begins.
function methods:train()
  used[self] = nil
  return self
end

--- As it is used: no dropout, running statistics.
function methods:eval()
  used[self] = true
  return self
end

--- How a frozen module was made: text (its JSON), shapes, seed. For mtl.save and mtl.load.
function module.state(self)
  return live[self]
end

return module
