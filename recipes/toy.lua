-- Three tasks on made-up points of the plane, a second to run: a place to try a stage, a policy or a loss.
--
--   mtl run recipes/toy.lua --set stages.2.policy.gamma=0
--
-- side: above or below a wave (easy). ring: which of three rings around the origin (harder). height: a smooth surface.
local mtl = require "mtl"
local nn, loss, kpi, metric, policy, optim, when =
  mtl.nn, mtl.loss, mtl.kpi, mtl.metric, mtl.policy, mtl.optim, mtl.when

mtl.manual_seed(1) -- rand draws the same points each time
local points = mtl.rand(3000, 2) * 4 - 2
local x, y = points:select(2, 1), points:select(2, 2)
local radius = (x * x + y * y):sqrt()

return mtl.recipe {
  name = "toy",
  data = mtl.data.tensors {
    inputs = points,
    targets = {
      side = mtl.gt(y, (x * 2):tanh()):cast "int32",
      ring = (mtl.gt(radius, 0.9) + mtl.gt(radius, 1.6)):cast "int32",
      height = (-(x * x) - y * y):exp() + x * 0.25,
    },
    split = { 0.8, 0.1, 0.1 },
    batch = 64,
  },
  trunk = nn.sequential { nn.linear(2, 32), nn.tanh(), nn.linear(32, 32), nn.tanh() },
  tasks = {
    { name = "side", head = nn.linear(32, 2), loss = loss.cross_entropy(), kpi = kpi.accuracy() },
    { name = "ring", head = nn.linear(32, 3), loss = loss.cross_entropy(), kpi = kpi.accuracy() },
    { name = "height", head = nn.linear(32, 1), loss = loss.mse(), kpi = kpi.r2(), metrics = { metric.rmse() } },
  },
  optimizer = optim.adam { lr = 5e-3 },
  stages = {
    -- Focal weights explode near a KPI of 0, so the first stage only gets the easy task off the ground.
    { name = "side first", tasks = { "side" }, ends = when.kpi("side", 0.9) | when.epochs(3) },
    -- normalize: as they stand, focal weights shrink with every task that is solved, and training slows down with them.
    { name = "all", tasks = { "side", "ring", "height" }, policy = policy.focal { normalize = true },
      ends = when.epochs(10) },
  },
}
