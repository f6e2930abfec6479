--- DB-MTL (Lin et al., 2023): dual balancing, of the losses by their logarithms, so that units do not count, and of the
-- gradients by bringing their averages to the length of the longest. Heads get the gradient of their log loss. Keeps a
-- gradient for each task; one that becomes active begins at 0. A gradient that is 0 stays 0. A task that is alone in a
-- step (the others without labels) gets its own gradient as it is.
--
--   beta   0.9  share of the old average
--   sigma  0    how fast it falls with the steps
--
-- @formula g of log(L + 1e-8); ĝ_t ← g_t + beta / k^sigma (ĝ_t - g_t), from 0, k the task's steps;
-- d = Σ (max |ĝ| / |ĝ_t|) ĝ_t
-- @scale of a sum of T gradients, each as long as the longest; averages start at 0, so the first steps are short
-- @when losses are of very different units and gradients of very different lengths; beside Adam, which averages too,
-- try `beta` = 0 first: docs/results.md has a case where the averages cost five points
local policy = require "mtl.policy"
local core = require "mtl.core"
local history = require "mtl.history"

return policy.define {
  name = "db_mtl",
  paper = "Lin et al., Dual-balancing for multi-task learning, 2023",
  needs = "rows",
  heads = "unit",
  positive = true,
  params = {
    beta = { default = 0.9, type = "number", least = 0, below = 1 },
    sigma = { default = 0, type = "number", least = 0 },
  },
  weights = function(self, ctx)
    local n, own, longest, w = #ctx.rows, {}, 0, {}
    for i, mine in ipairs(history.all(self, ctx)) do
      local g <close> = ctx.rows[i]
      own[i] = 1 / (ctx.losses[i] + 1e-8)
      mine.steps = (mine.steps or 0) + 1
      local old = self.beta / mine.steps ^ self.sigma
      history.average(mine, g, old, (1 - old) * own[i])
    end
    local products = core.products(ctx.rows, ctx.rows)
    for i = 1, n do
      longest = math.max(longest, products[i][i])
    end
    for i = 1, n do
      w[i] = products[i][i] > 0 and math.sqrt(longest / products[i][i]) or 1
    end
    return w, own
  end,
}
