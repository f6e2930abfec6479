--- Projection on the dual cone (Lopez-Paz & Ranzato, NeurIPS 2017, there for continual learning): the direction that
-- conflicts with no task's gradient and is nearest to the mean gradient. It is the mean gradient where that conflicts
-- with no task. Unlike upgrad, the largest gradients decide where to.
--
--   pref   1/T  by task: { left = 0.7, right = 0.3 } in place of 1/T (others: 1/T)
--   every  1    steps that weights are kept for
--
-- @formula w = argmin v'Gv with v ≥ 1/T element by element
-- @scale of a mean
-- @when the mean is to be followed as far as no loss rises
-- @usage policy.dualproj():weights { gram = { { 8, -2 }, { -2, 1 } } }
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"
local dual_cone = require "mtl.solve.dual_cone"

return policy.define {
  name = "dualproj",
  paper = "Lopez-Paz & Ranzato, Gradient episodic memory for continual learning, NeurIPS 2017",
  blind = true,
  needs = "gram",
  heads = "unit",
  params = { pref = { type = "by_task", least = 0 }, every = gramian.every },
  weights = function(self, ctx)
    local n = self:count(ctx)
    local u = {}
    for i = 1, n do
      u[i] = self.pref and ctx.tasks and self.pref[ctx.tasks[i]] or 1 / n
    end
    return dual_cone(ctx.gram, u)
  end,
}
