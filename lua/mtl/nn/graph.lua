--- A model of named nodes, for what is no trunk with heads: several inputs, tasks that branch off at different depths,
-- experts and gates. A recipe has it in place of `trunk`, and its tasks have no `head`. A node is
-- { "name", layer, from = "name" }: it reads the output of a node or of an input; without `from` that of the node
-- before it (the first one: the first input). `from = { "a", "b" }` gives several to the layers that join them:
-- nn.concat {}, nn.add(), nn.mixture().
-- Each task has the output of one node. A parameter belongs to the tasks that it leads to, and is shared where that is
-- more than one.
--
-- Called by itself, it takes a tensor, or tensors by the names of its inputs, and gives tensors by the names of its
-- outputs. Parameters are named by their nodes: a layer in the node "heads.left" has `heads.left.weight`.
--
--   inputs   names of the data's inputs that it reads
--   nodes    a list of { "name", layer, from = }
--   outputs  by task the name of the node that gives its output
--
-- @when one trunk for all tasks is not what the model is
-- @sample 4
-- @usage
-- nn.graph {
--   nodes = {
--     { "trunk", nn.linear(nil, 8) }, { "deep", nn.linear(nil, 2) }, { "early", nn.linear(nil, 1), from = "trunk" },
--   },
--   outputs = { left = "deep", right = "early" },
-- }
local core = require "mtl.core"
local declare = require "mtl.declare"
local module = require "mtl.module"
local nn = require "mtl.nn"

local function nodes_wrong(nodes)
  for i, node in ipairs(nodes) do
    local layer = type(node) == "table" and declare.is(node[2], "nn") and node[2].type ~= "graph"
    if not layer or type(node[1]) ~= "string" then
      return ("nodes[%d] should be { \"name\", layer, from = \"name of what it reads\" }"):format(i)
    end
    for key, value in pairs(node) do
      if key ~= 1 and key ~= 2 and (key ~= "from" or type(value) ~= "string" and type(value) ~= "table") then
        return ("nodes[%d] ('%s'): it has a name, a layer, and from: a name or a list of names"):format(i, node[1])
      end
    end
  end
  return #nodes == 0 and "nodes should be a list of at least one node" or nil
end

return nn.define {
  name = "graph",
  params = {
    inputs = { default = { "input" }, type = "strings" },
    nodes = { required = true, type = "table", check = nodes_wrong },
    outputs = { required = true, type = "table" },
  },
  --- @param tasks names of the outputs, in the order of their masks
  description = function(self, tasks)
    module.check_free(self)
    local nodes, outputs, before = core.array {}, core.array {}, self.inputs[1]
    for i, node in ipairs(self.nodes) do
      local from = node.from or before
      from = type(from) == "string" and { from } or from
      nodes[i] = { name = node[1], inputs = from, module = node[2]:description() }
      before = node[1]
    end
    for i, task in ipairs(tasks) do
      outputs[i] = { name = task, node = self.outputs[task] }
    end
    return { type = "graph", inputs = self.inputs, nodes = nodes, outputs = outputs }
  end,
}
