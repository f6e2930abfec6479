--- Every task weighs 1: the gradient is the sum of the tasks' gradients. `mean = true`: 1/T each.
-- The first thing to try, and what every other policy should be compared with.
local policy = require "mtl.policy"

return policy.define {
  name = "uniform",
  params = { mean = { default = false, type = "boolean" } },
  weights = function(self, ctx)
    local n, w = self:count(ctx), {}
    for i = 1, n do
      w[i] = self.mean and 1 / n or 1
    end
    return w
  end,
}
