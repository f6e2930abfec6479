-- W2: the network of recipes/multimnist.lua on made-up images: two heads of 10 classes. W3 is this one under other
-- policies (--set policy=pcgrad).
local mtl = require "mtl"
local nn = mtl.nn

mtl.manual_seed(1)
local rows = ... or 10240

return mtl.recipe {
  name = "lenet",
  data = mtl.data.tensors {
    inputs = mtl.randn(rows, 1, 28, 28),
    targets = { left = (mtl.rand(rows) * 10):cast "int32", right = (mtl.rand(rows) * 10):cast "int32" },
    classes = { left = 10, right = 10 }, split = { 1 }, batch = 256,
  },
  trunk = nn.sequential {
    nn.conv2d(1, 10, 5), nn.relu(), nn.max_pool2d(2),
    nn.conv2d(10, 20, 5), nn.relu(), nn.max_pool2d(2),
    nn.flatten(), nn.linear(nil, 50), nn.relu(),
  },
  tasks = {
    { name = "left", head = nn.linear(50, 10), loss = mtl.loss.cross_entropy() },
    { name = "right", head = nn.linear(50, 10), loss = mtl.loss.cross_entropy() },
  },
  optimizer = mtl.optim.adam { lr = 1e-3 },
  ends = mtl.when.steps(1000000),
}
