-- The data and the network of multimnist.lua under the policy that many would take first: each task's weight is learned
-- with the network, as exp(-s) for its log variance s (Kendall et al., CVPR 2018). It reads losses, never KPIs, and
-- both tasks train from the first step on.
--
--   mtl run recipes/multimnist-uncertainty.lua
local mtl = require "mtl"
local nn, loss, kpi, policy, optim, when = mtl.nn, mtl.loss, mtl.kpi, mtl.policy, mtl.optim, mtl.when

return mtl.recipe {
  name = "multimnist-uncertainty",
  data = mtl.dataset("multimnist", { batch = 256 }),
  trunk = nn.sequential {
    nn.conv2d(1, 10, 5), nn.relu(), nn.max_pool2d(2),
    nn.conv2d(10, 20, 5), nn.relu(), nn.max_pool2d(2),
    nn.flatten(), nn.linear(nil, 50), nn.relu(),
  },
  tasks = {
    { name = "left", head = nn.linear(50, 10), loss = loss.cross_entropy(), kpi = kpi.accuracy() },
    { name = "right", head = nn.linear(50, 10), loss = loss.cross_entropy(), kpi = kpi.accuracy() },
  },
  optimizer = optim.adam { lr = 1e-3 },
  policy = policy.uncertainty(),
  ends = when.epochs(10), -- as many steps as multimnist.lua makes
}
