-- W4: a multi-gate mixture of experts (Ma et al. 2018) on 500 made-up features: 8 experts of 256 and 128, three tasks,
-- each with a gate over the experts and a tower.
local mtl = require "mtl"
local nn = mtl.nn

mtl.manual_seed(1)
local rows = ... or 25600
local x = mtl.randn(rows, 500)
local nodes, experts, outputs = {}, {}, {}

for e = 1, 8 do
  experts[e] = "experts." .. e - 1
  nodes[e] = { experts[e], nn.sequential { nn.linear(500, 256), nn.relu(), nn.linear(256, 128), nn.relu() },
    from = "input" }
end
nodes[#nodes + 1] = { "all", nn.concat {}, from = experts }
for _, task in ipairs { "clicked", "bought", "amount" } do
  nodes[#nodes + 1] = { "gates." .. task, nn.sequential { nn.linear(500, 8), nn.softmax() }, from = "input" }
  nodes[#nodes + 1] = { "mixtures." .. task, nn.mixture(), from = { "gates." .. task, "all" } }
  nodes[#nodes + 1] = { "towers." .. task, nn.sequential { nn.linear(128, 64), nn.relu(), nn.linear(64, 1) } }
  outputs[task] = "towers." .. task
end

return mtl.recipe {
  name = "mmoe",
  data = mtl.data.tensors {
    inputs = x,
    targets = { clicked = mtl.gt(x:select(2, 1), 0):cast "float32", bought = mtl.gt(x:select(2, 2), 1):cast "float32",
      amount = x:select(2, 3) },
    split = { 1 }, batch = 512,
  },
  model = nn.graph { inputs = { "input" }, nodes = nodes, outputs = outputs },
  tasks = {
    { name = "clicked", loss = mtl.loss.binary_cross_entropy() },
    { name = "bought", loss = mtl.loss.binary_cross_entropy() },
    { name = "amount", loss = mtl.loss.mse(), kpi = mtl.kpi.r2() },
  },
  optimizer = mtl.optim.adam { lr = 1e-3 },
  ends = mtl.when.steps(1000000),
}
