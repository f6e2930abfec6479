--- Scale-invariant loss: the total is the sum of log L, so loss i is multiplied with 1 / (L_i + 1e-8). Scaling a loss
-- changes nothing at all. Losses must not be below 0. The gradients are those of a sum of T relative losses: they do
-- not shrink as the losses fall, so let the learning rate fall. For losses of different units.
local policy = require "mtl.policy"

return policy.define {
  name = "scale_invariant",
  positive = true,
  weights = function(self, ctx)
    local w = {}
    for i = 1, self:count(ctx) do
      w[i] = 1 / (ctx.losses[i] + 1e-8)
    end
    return w
  end,
}
