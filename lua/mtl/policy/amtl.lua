--- Achievement-based weights (Yun & Cho, ICCV 2023): a task weighs by what it still lacks of its potential, the KPI
-- that it reaches when trained alone. By default the total is the weighted geometric mean of the losses, so it is the
-- losses' ratio that counts, not their units. A task without any KPI yet counts as one at KPI 0.
--
--   potential  1            or by task: { left = 0.95, right = 0.9 } (others: 1)
--   f          2            the exponent
--   m          0.05         margin: a task at its potential still has a weight
--   mean       "geometric"  "arithmetic": the total is the sum of w L, and losses may be below 0
--   momentum                the share of the old value in the smoothed KPI (default: the recipe's kpi_momentum, 0.9)
--
-- @formula w in proportion to max(0, 1 - k / (p (1 + m)))^f, Σ w = 1, k the smoothed KPI, p the potential;
-- the total is Π L^w: loss i is multiplied with w_i Π L^w / (L_i + 1e-8)
-- @scale of a mean
-- @when the tasks' ceilings are low or differ, and focal would take them for hard ones for ever
-- @usage policy.amtl():weights { kpis_ema = { 0.5, 0.9 }, losses = { 0.5, 2 } }
local policy = require "mtl.policy"

local function share(self, k, name)
  local p = type(self.potential) == "table" and (self.potential[name] or 1) or self.potential
  return math.max(0, 1 - k / (p * (1 + self.m))) ^ self.f
end

return policy.define {
  name = "amtl",
  paper = "Yun & Cho, Achievement-based training progress balancing for multi-task learning, ICCV 2023",
  params = {
    potential = { default = 1, type = "number or by_task", above = 0 },
    f = { default = 2, type = "number", least = 0 },
    m = { default = 0.05, type = "number", least = 0 },
    mean = { default = "geometric", choices = { "geometric", "arithmetic" } },
    momentum = { type = "number", least = 0, below = 1 },
  },
  derive = function(self)
    self.positive = self.mean == "geometric"
  end,
  weights = function(self, ctx)
    local kpis, n, w, sum, log_total = ctx.kpis_ema or ctx.kpis or {}, self:count(ctx), {}, 0, 0
    for i = 1, n do
      w[i] = share(self, kpis[i] or 0, ctx.tasks and ctx.tasks[i])
      sum = sum + w[i]
    end
    for i = 1, n do
      w[i] = sum > 0 and w[i] / sum or 1 / n -- all have reached their potential
      if self.mean == "geometric" then
        log_total = log_total + w[i] * math.log(ctx.losses[i] + 1e-8)
      end
    end
    for i = 1, n do
      w[i] = self.mean == "geometric" and w[i] * math.exp(log_total) / (ctx.losses[i] + 1e-8) or w[i]
    end
    return w
  end,
}
