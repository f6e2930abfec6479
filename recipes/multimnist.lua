-- Two digits overlap in each picture: read the left one and the right one with one network.
--
--   mtl run recipes/multimnist.lua
--
-- Training goes in stages. The first trains the left task alone, for focal weights explode where a KPI is near 0:
-- nothing is known yet, so nothing can be weighed. From the second stage on each task is weighed by -(1 - k)^gamma *
-- log(k) of its smoothed accuracy k: the task that lags behind gets more of the gradient, and fades as it catches up.
local mtl = require "mtl"
local nn, loss, kpi, policy, optim, when = mtl.nn, mtl.loss, mtl.kpi, mtl.policy, mtl.optim, mtl.when

return mtl.recipe {
  name = "multimnist",
  data = mtl.dataset("multimnist", { batch = 256 }), -- 10,000 pairs; 1,000 to validate, 2,000 to test

  -- LeNet, shared by both tasks. nil: the width is inferred.
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
  stages = {
    { name = "left first", tasks = { "left" }, policy = policy.uniform(), ends = when.epochs(1) },
    {
      name = "both", tasks = { "left", "right" }, ends = when.epochs(9),
      -- normalize keeps the sum of the weights at the number of tasks. Without it they all shrink as the tasks are
      -- solved (FL is .17 at an accuracy of .5 and .001 at .9), which acts like a learning rate that falls to nothing:
      -- on this data the same network then ends near .75/.71 instead of .89/.84.
      policy = policy.focal { gamma = 2, normalize = true },
    },
  },
}
