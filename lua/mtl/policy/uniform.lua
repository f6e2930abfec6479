--- Every task weighs the same: the gradient is the sum of the tasks' gradients.
--
--   mean  false  true: 1/T each
--
-- @formula w = 1
-- @scale of a sum of T gradients; with `mean` that of a mean
-- @when it is the first thing to try, and what every other policy should be compared with
-- @usage policy.uniform():weights { losses = { 0.5, 2 } }
local policy = require "mtl.policy"

return policy.define {
  name = "uniform",
  paper = "Kurin et al., In defense of the unitary scalarization for deep multi-task learning, NeurIPS 2022",
  blind = true,
  params = { mean = { default = false, type = "boolean" } },
  weights = function(self, ctx)
    local n, w = self:count(ctx), {}
    for i = 1, n do
      w[i] = self.mean and 1 / n or 1
    end
    return w
  end,
}
