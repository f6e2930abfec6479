--- FAMO (Liu et al., NeurIPS 2023): all tasks improve at the same relative rate. What has improved more than the others
-- in a step weighs less from then on. The second forward pass, after the step, uses the batch statistics and the
-- dropout masks of the first and updates nothing.
--
--   lr     0.025  of ξ
--   decay  1e-3   L2 weight decay of ξ: forgets old steps
--   min    0      or by task: { left = -1 }: the least that a loss can be. Losses that may be below 0 need one
--
-- @formula z = softmax(ξ), ξ from 0; D = L - min + 1e-8; w = (z / D) / Σ (z / D);
-- after the step, on the same batch: δ = log D before - log D after;
-- ξ goes down the gradient z_i (δ_i - Σ z δ), with an Adam of its own
-- @scale of a mean: Σ w = 1
-- @when there are many tasks, or losses of different units: it costs a forward pass a step, whatever their number
-- @usage policy.famo():weights { losses = { 0.5, 2 } }
local policy = require "mtl.policy"
local adam = require "mtl.solve.adam"
local history = require "mtl.history"
local softmax = require "mtl.solve.softmax"

local function start()
  return adam.new(0)
end

local function above_min(self, ctx, i, loss)
  local min = type(self.min) == "table" and ctx.tasks and self.min[ctx.tasks[i]] or self.min
  return math.max(loss - (type(min) == "number" and min or 0), 0) + 1e-8
end

-- xi of the step's tasks, and their softmax.
local function shares(self, ctx)
  local n, xi, x = self:count(ctx), {}, {}
  for i = 1, n do
    xi[i] = history.of(self, ctx, i, start)
    x[i] = xi[i].x
  end
  return xi, softmax(x, n)
end

return policy.define {
  name = "famo",
  paper = "Liu et al., FAMO: fast adaptive multitask optimization, NeurIPS 2023",
  wants_after = true, -- after_step reads ctx.losses_after
  params = {
    lr = { default = 0.025, type = "number", above = 0 },
    decay = { default = 1e-3, type = "number", least = 0 },
    min = { type = "number or by_task" },
  },
  derive = function(self)
    self.positive = self.min == nil
  end,
  names_wrong = function(self, _, tasks)
    for _, task in ipairs(type(self.min) == "table" and tasks or {}) do
      if task.loss.negative and not self.min[task.name] then
        return ("policy.famo: min has no number for task '%s', whose loss may be negative"):format(task.name)
      end
    end
  end,
  weights = function(self, ctx)
    local _, z = shares(self, ctx)
    local w, sum = {}, 0
    for i = 1, #z do
      w[i] = z[i] / above_min(self, ctx, i, ctx.losses[i])
      sum = sum + w[i]
    end
    for i = 1, #w do
      w[i] = w[i] / sum
    end
    return w
  end,
  --- @param ctx that of the step, with losses_after: the losses of the same batch after it
  after_step = function(self, ctx)
    local xi, z = shares(self, ctx)
    local delta, mean = {}, 0
    for i = 1, #z do
      delta[i] = math.log(above_min(self, ctx, i, ctx.losses[i]) / above_min(self, ctx, i, ctx.losses_after[i]))
      mean = mean + z[i] * delta[i]
    end
    for i = 1, #z do
      adam.step(xi[i], z[i] * (delta[i] - mean), self.lr, self.decay)
    end
  end,
}
