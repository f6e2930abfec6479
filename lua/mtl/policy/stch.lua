--- Smooth Tchebycheff scalarization (Lin et al., ICML 2024), as LibMTL trains it: the task that has improved least
-- dominates. In a task's first epochs its part of the total is log L, and the last of them gives its nadir n, the mean
-- loss. Losses must not be below 0; each, and n, carries 1e-8.
--
--   mu             1    smaller: nearer to the worst task alone
--   warmup_epochs  5    a task's first epochs, at weight 1 / L
--   pref           off  importance by task: { left = 2 } (others: 1); only ratios count
--
-- @formula l = log(pref L / n); the M tasks past their first epochs have the total M μ log Σ exp(l / μ):
-- loss i is multiplied with M softmax(l / μ)_i / L_i
-- @scale of a sum of T relative losses: the gradients do not shrink as the losses fall
-- @when a balanced solution is wanted of losses of different units, and training is long enough for the first epochs to
-- be a small part of it
-- @usage policy.stch()
local policy = require "mtl.policy"
local history = require "mtl.history"
local softmax = require "mtl.solve.softmax"

local function start()
  return {}
end

return policy.define {
  name = "stch",
  paper = "Lin et al., Smooth Tchebycheff scalarization for multi-objective optimization, ICML 2024",
  positive = true,
  params = {
    mu = { default = 1, type = "number", above = 0 },
    warmup_epochs = { default = 5, type = "size" },
    pref = { type = "by_task", above = 0 },
  },
  weights = function(self, ctx)
    local n, x = self:count(ctx), {}
    for i = 1, n do
      local h = history.of(self, ctx, i, start)
      history.add_loss(h, ctx, i)
      if h.epochs > self.warmup_epochs then
        h.nadir = h.nadir or h.last
        local pref = self.pref and ctx.tasks and self.pref[ctx.tasks[i]] or 1
        x[i] = math.log(pref * (ctx.losses[i] + 1e-8) / (h.nadir + 1e-8)) / self.mu
      end
    end
    local w, known = softmax(x, n)
    for i = 1, n do
      w[i] = (w[i] and known * w[i] or 1) / (ctx.losses[i] + 1e-8)
    end
    return w
  end,
}
