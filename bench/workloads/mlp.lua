-- W1: a tabular network. 64 features, a trunk of 256 and 128, three heads: yes or no, 5 classes, a number.
local mtl = require "mtl"
local nn = mtl.nn

mtl.manual_seed(1)
local rows = ... or 12800
local x = mtl.randn(rows, 64)

return mtl.recipe {
  name = "mlp",
  data = mtl.data.tensors {
    inputs = x,
    targets = { bought = mtl.gt(x:select(2, 1), 0):cast "float32", kind = (mtl.rand(rows) * 5):cast "int32",
      amount = x:select(2, 2) },
    classes = { kind = 5 }, split = { 1 }, batch = 128,
  },
  trunk = nn.sequential { nn.linear(64, 256), nn.relu(), nn.linear(256, 128), nn.relu() },
  tasks = {
    { name = "bought", head = nn.linear(128, 1), loss = mtl.loss.binary_cross_entropy() },
    { name = "kind", head = nn.linear(128, 5), loss = mtl.loss.cross_entropy() },
    { name = "amount", head = nn.linear(128, 1), loss = mtl.loss.mse(), kpi = mtl.kpi.r2() },
  },
  optimizer = mtl.optim.adam { lr = 1e-3 },
  ends = mtl.when.steps(1000000),
}
