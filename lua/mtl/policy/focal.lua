--- Focal weights of the KPI (Dynamic Task Prioritization, Guo et al., ECCV 2018): a task near KPI 0 dominates, a task
-- near 1 fades, one that falls behind takes over again. The trainer smooths: k = (1 - momentum) × new + momentum × old,
-- the first value as it stands. A task without any KPI yet weighs 1.
--
--   gamma         2      or by task: { left = 2, right = 1 } (others: 2)
--   momentum             the share of the old value (default: the recipe's kpi_momentum, 0.9)
--   floor         0.01   k is taken within [floor, 1 - 1e-6], in the formula only
--   normalize     false  true: weights scaled to the sum T. Without it the total weight, and with it the step,
--                        shrinks as tasks are solved: under SGD, and under Adam for about 1,000 steps
--   warm          0      steps at weight 1 for a task that has just become active
--   max_ratio     off    no weight is below the largest / max_ratio: a solved task keeps that much of a say
--   through_kpi   false  true: the weights are of the smoothed soft KPI of the training batch, and the gradient goes
--                        through it. The old average and the normaliser are constants
--   kpi_grad_max  1      of through_kpi: the slope is large at low k, so its size times the loss is at most this times
--                        the weight
--
-- @formula w = -(1 - k)^γ log k, k the smoothed KPI
-- @scale of a sum of T gradients; with `normalize` exactly (Σ w = T), without it less and less as tasks are solved
-- @when tasks are learned at different speeds; not at the very start (weights explode near KPI 0), so let a first stage
-- run under uniform
-- @usage policy.focal():weights { kpis_ema = { 0.1, 0.9 } }
local policy = require "mtl.policy"

local top = 1 - 1e-6

local function weight(k, gamma)
  return -(1 - k) ^ gamma * math.log(k)
end

-- d weight / d k, below 0 on (0, 1)
local function slope(k, gamma)
  return gamma * (1 - k) ^ (gamma - 1) * math.log(k) - (1 - k) ^ gamma / k
end

local function gamma_of(self, name)
  return type(self.gamma) == "table" and (self.gamma[name] or 2) or self.gamma
end

-- dk/d(new KPI): 1 where this step seeds the average
local function share_of_new(self, ctx, i)
  local seeds = ctx.kpis_soft_ema[i] == ctx.kpis_soft[i]
  if ctx.kpis_soft_old then
    seeds = ctx.kpis_soft_old[i] == nil
  end
  return seeds and 1 or 1 - (self.momentum or ctx.momentum or 0.9)
end

-- Coefficient of the soft KPI of task i, which has the weight w; 0 where the batch has none, and outside of the clamp.
local function through(self, ctx, i, w)
  local k = ctx.kpis_soft_ema[i]
  if not (ctx.kpis_soft[i] and k) or k < self.floor or k > top then
    return 0
  end
  local steep = share_of_new(self, ctx, i) * slope(k, gamma_of(self, ctx.tasks and ctx.tasks[i])) * ctx.losses[i]
  return math.max(steep, -self.kpi_grad_max * w)
end

return policy.define {
  name = "focal",
  paper = "Guo et al., Dynamic task prioritization for multitask learning, ECCV 2018",
  params = {
    gamma = { default = 2, type = "number or by_task", least = 0 },
    momentum = { type = "number", least = 0, below = 1 },
    floor = { default = 0.01, type = "number", above = 0, below = 1 },
    through_kpi = { default = false, type = "boolean" },
    normalize = { default = false, type = "boolean" },
    warm = { default = 0, type = "count" },
    max_ratio = { type = "number", least = 1 },
    kpi_grad_max = { default = 1, type = "number", least = 0 },
  },
  derive = function(self)
    self.soft, self.positive = self.through_kpi, self.through_kpi
  end,
  weights = function(self, ctx)
    local kpis = self.through_kpi and ctx.kpis_soft_ema or ctx.kpis_ema or ctx.kpis or {}
    local n, w, c, sum, largest = self:count(ctx), {}, {}, 0, 0
    for i = 1, n do
      local k, name = kpis[i], ctx.tasks and ctx.tasks[i]
      local warming = (ctx.since and ctx.since[i] or math.huge) < self.warm
      local known = k and not warming
      w[i] = known and weight(math.min(math.max(k, self.floor), top), gamma_of(self, name)) or 1
      c[i] = known and self.through_kpi and through(self, ctx, i, w[i]) or 0
      largest = math.max(largest, w[i])
    end
    for i = 1, n do
      if self.max_ratio and w[i] < largest / self.max_ratio then
        w[i], c[i] = largest / self.max_ratio, 0
      end
      sum = sum + w[i]
    end
    local scale = self.normalize and (sum > 0 and n / sum or 0) or 1
    for i = 1, n do
      w[i], c[i] = w[i] * scale, c[i] * scale
    end
    return w, self.through_kpi and c or nil
  end,
}
