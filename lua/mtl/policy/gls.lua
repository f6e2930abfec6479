--- Geometric loss strategy (Chennupati et al., CVPR workshops 2019): the total is the geometric mean of the losses.
-- Scaling a loss changes nothing but the length of the step. Losses must not be below 0; each carries 1e-8.
--
-- @formula total = (Π L)^(1/T): loss i is multiplied with total / (T L_i)
-- @scale that of the geometric mean of the losses: it grows with each of them, and shrinks as one nears 0
-- @when losses have different units and all stay away from 0: a task near loss 0 takes over, and shrinks the total
-- @usage policy.gls():weights { losses = { 0.5, 2 } }
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
