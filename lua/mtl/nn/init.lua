--- Layers and containers, as declarations: nn.linear(nil, 50), nn.conv2d(1, 10, 5, { stride = 2 }), nn.sequential {
-- ... }. There is one constructor for each layer type of the core: its positional options in order (nil: the
-- default, or a width that is inferred), then a table of options by name. nn.graph describes a whole model
-- (graph.lua).
local core = require "mtl.core"
local declare = require "mtl.declare"
local module = require "mtl.module"
local param = require "mtl.param"

local layer_methods = {}

local function plain_options(self)
  local options = {}
  for name in pairs(declare.definition(self).params) do
    options[name] = self[name]
  end
  return options
end

--- The layer as libmtl's JSON describes it, as a table for core.json_encode.
function layer_methods:description()
  module.check_free(self)
  local t = plain_options(self)
  t.type = self.type
  if self.children then
    t.children = core.array {}
    for i, child in ipairs(self.children) do
      t.children[i] = child:description()
    end
  end
  return t
end

for name, method in pairs(module.methods) do
  layer_methods[name] = method
end

local nn = declare.family("nn", { methods = layer_methods, call = module.call })

local function layers_wrong(list)
  local n = 0
  for _ in pairs(list) do
    n = n + 1
  end
  for i = 1, n do
    if type(list[i]) == "function" and declare.definition(list[i]) then
      local name = declare.definition(list[i]).name
      return ("layer %d is the constructor nn.%s; call it: nn.%s()"):format(i, name, name)
    elseif not declare.is(list[i], "nn") or list[i].type == "graph" then
      return ("layer %d is %s, which should be a layer"):format(i, param.show(list[i]))
    end
  end
end

local kinds = { size = "size", count = "count", width = "size", pair = "pair", counts = "counts", number = "number",
  bool = "boolean", choice = "string", layers = "table" }

for _, layer in ipairs(core.layer_types()) do
  local definition = { name = layer.name, params = {}, positional = {} }
  for _, option in ipairs(layer.options) do
    if option.kind == "layers" then
      definition.list = option.name
    elseif option.positional then
      table.insert(definition.positional, option.name)
    end
    definition.params[option.name] = { type = kinds[option.kind], required = option.required, default = option.default,
      least = option.low, most = option.high, choices = option.choices,
      check = option.kind == "layers" and layers_wrong or nil }
  end
  nn.define(definition)
end

return nn
