--- Geometric loss strategy (Chennupati et al., CVPR workshops 2019): the total is the geometric mean of the losses,
-- (prod L)^(1/T), so loss i is multiplied with total / (T L_i). Scaling a loss changes nothing but the length of the
-- step. Losses must not be below 0; each carries 1e-8. A task near loss 0 takes over, and shrinks the total: for losses
-- of different units that all stay away from 0.
local policy = require "mtl.policy"

return policy.define {
  name = "gls",
  paper = "Chennupati et al., MultiNet++: multi-stream feature aggregation and geometric loss strategy, CVPRW 2019",
  positive = true,
  weights = function(self, ctx)
    local n, w, sum = self:count(ctx), {}, 0
    for i = 1, n do
      sum = sum + math.log(ctx.losses[i] + 1e-8)
    end
    for i = 1, n do
      w[i] = math.exp(sum / n) / (n * (ctx.losses[i] + 1e-8))
    end
    return w
  end,
}
