--- The model of a recipe as libmtl's JSON: the graph that was given, or trunk and heads; outputs in the order of the
-- tasks.
local core = require "mtl.core"
local nearest = require "mtl.nearest"

return function(r, by_name, fail)
  local names = {}
  for i, task in ipairs(r.tasks) do
    names[i] = task.name
  end
  if r.trunk then
    for _, layer in ipairs { r.trunk, table.unpack(r.tasks) } do
      layer = layer.head or layer
      if layer.type == "graph" then
        fail("nn.graph describes a whole model: it stands in the key `model`", layer)
      end
    end
    local nodes = { { name = "trunk", inputs = { "input" }, module = r.trunk:description() } }
    local outputs = {}
    for i, task in ipairs(r.tasks) do
      local node = "heads." .. task.name
      nodes[i + 1] = { name = node, inputs = { "trunk" }, module = task.head:description() }
      outputs[i] = { name = task.name, node = node }
    end
    return core.json_encode { type = "graph", inputs = { "input" }, nodes = nodes, outputs = outputs }
  elseif r.model.type ~= "graph" then
    fail("model should be nn.graph { ... } with an output for each task; one layer for all tasks is `trunk`", r.model)
  end
  for _, name in ipairs(names) do
    if type(r.model.outputs[name]) ~= "string" then
      fail(("model: outputs has no node for task '%s'"):format(name), r.model)
    end
  end
  for name in pairs(r.model.outputs) do
    if not by_name[name] then
      fail(("model: outputs: %s"):format(nearest.unknown("task", name, by_name)), r.model)
    end
  end
  return core.json_encode(r.model:description(names))
end
