--- Focal weights without the logarithm (FMTL, as Yun & Cho, ICCV 2023, compare it): gentler than focal, they do not
-- explode near KPI 0. A task without any KPI yet counts as one at KPI 0.
--
--   gamma     2   the exponent
--   momentum      the share of the old value in the smoothed KPI (default: the recipe's kpi_momentum, 0.9)
--
-- @formula w in proportion to (1 - k)^γ, Σ w = 1, k the smoothed KPI
-- @scale of a mean
-- @when all tasks can come near KPI 1; where the ceilings differ, see amtl
-- @usage policy.fmtl():weights { kpis_ema = { 0.1, 0.9 } }
local policy = require "mtl.policy"

return policy.define {
  name = "fmtl",
  paper = "Yun & Cho, Achievement-based training progress balancing for multi-task learning, ICCV 2023",
  params = {
    gamma = { default = 2, type = "number", least = 0 },
    momentum = { type = "number", least = 0, below = 1 },
  },
  weights = function(self, ctx)
    local kpis, n, w, sum = ctx.kpis_ema or ctx.kpis or {}, self:count(ctx), {}, 0
    for i = 1, n do
      w[i] = (1 - math.min(math.max(kpis[i] or 0, 0), 1)) ^ self.gamma
      sum = sum + w[i]
    end
    for i = 1, n do
      w[i] = sum > 0 and w[i] / sum or 1 / n -- all are solved
    end
    return w
  end,
}
