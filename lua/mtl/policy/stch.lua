--- Smooth Tchebycheff scalarization (Lin et al., ICML 2024), as LibMTL trains it. In a task's first `warmup_epochs` its
-- part of the total is log L, and the last of them gives its nadir n, the mean loss. From then on, with l = log(pref L
-- / n), the M such tasks have the total M mu log sum exp(l / mu): loss i is multiplied with M softmax(l / mu)_i / L_i.
-- The task that has improved least dominates. Losses must not be below 0; each, and n, carries 1e-8.
--
--   mu             1    smaller: nearer to the worst task alone
--   warmup_epochs  5
--   pref           off  importance by task: { left = 2 } (others: 1); only ratios count
--
-- The gradients are those of a sum of T relative losses: they do not shrink as the losses fall. For a balanced solution
-- where losses have different units, and training is long enough for the first epochs to be a small part of it.
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
