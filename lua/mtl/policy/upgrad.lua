--- UPGrad (Quinton & Rey 2024): each task's gradient is projected on the cone of the directions that conflict with
-- no task, and the mean is taken. So no loss rises, to first order, and a task's part grows with its gradient. With two
-- tasks it is PCGrad's mean.
--
--   pref   1/T  by task: { left = 0.7, right = 0.3 } in place of 1/T (others: 1/T)
--   every  1    steps that weights are kept for
--
-- @formula v_i = argmin v'Gv with v ≥ e_i / T element by element, w = Σ v_i
-- @scale of a mean
-- @when tasks conflict, and none may be given up
-- @usage policy.upgrad():weights { gram = { { 4, -1 }, { -1, 1 } } }
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"
local dual_cone = require "mtl.solve.dual_cone"

return policy.define {
  name = "upgrad",
  paper = "Quinton & Rey, Jacobian descent for multi-objective optimization, 2024",
  blind = true,
  needs = "gram",
  heads = "unit",
  params = { pref = { type = "by_task", least = 0 }, every = gramian.every },
  weights = function(self, ctx)
    local n = self:count(ctx)
    local w = gramian.fill(n, 0)
    for i = 1, n do
      local u = gramian.fill(n, 0)
      u[i] = self.pref and ctx.tasks and self.pref[ctx.tasks[i]] or 1 / n
      local v = dual_cone(ctx.gram, u)
      for j = 1, n do
        w[j] = w[j] + v[j]
      end
    end
    return w
  end,
}
