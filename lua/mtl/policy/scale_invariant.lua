--- Scale-invariant loss: the total is the sum of the losses' logarithms. Scaling a loss changes nothing at all. Losses
-- must not be below 0.
--
-- @formula total = Σ log L: loss i is multiplied with 1 / (L_i + 1e-8)
-- @scale of a sum of T relative losses: the gradients do not shrink as the losses fall, so let the learning rate fall
-- @when losses have different units
-- @usage policy.scale_invariant():weights { losses = { 0.5, 2 } }
local policy = require "mtl.policy"

return policy.define {
  name = "scale_invariant",
  paper = "Navon et al., Multi-task learning as a bargaining game, ICML 2022 (one of its baselines)",
  positive = true,
  weights = function(self, ctx)
    local w = {}
    for i = 1, self:count(ctx) do
      w[i] = 1 / (ctx.losses[i] + 1e-8)
    end
    return w
  end,
}
