--- Multiple gradient descent (Désidéri 2012; Sener & Koltun, NeurIPS 2018): the shortest combination of the gradients,
-- along which no task's loss rises; 0 where the tasks cannot all gain. It leans to the task with the smallest gradient.
--
--   sum    false       true: weights of sum T
--   norm   "none"      "l2", "loss", "loss+": for the solve only, g is divided by |g|, L or L |g| (0 counts as 1)
--   mix    "original"  "normed": those divided gradients are also what is mixed (LibMTL's)
--   at     "shared"    "representation": MGDA-UB, gradients at the representation that the heads read
--   pool   none        "sum": gradients at the representation are summed over the batch first (LibMTL's)
--   heads  "unit"      "weighted": a head's gradient times its task's weight (the authors' code)
--   every  1           steps that weights are kept for
--
-- @formula w = argmin over w ≥ 0, Σ w = 1, of |Σ w g|²
-- @scale of a mean: Σ w = 1; with `sum` that of a sum
-- @when a few tasks conflict
-- @usage policy.mgda():weights { gram = { { 4, 1 }, { 1, 2 } } }
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"
local simplex = require "mtl.solve.simplex"

return policy.define {
  name = "mgda",
  paper = "Sener & Koltun, Multi-task learning as multi-objective optimization, NeurIPS 2018",
  needs = "gram",
  params = {
    sum = { default = false, type = "boolean" },
    norm = { default = "none", choices = { "none", "l2", "loss", "loss+" } },
    mix = { default = "original", choices = { "original", "normed" } },
    at = { default = "shared", choices = { "shared", "representation" } },
    pool = { choices = { "sum" } },
    heads = { default = "unit", choices = { "unit", "weighted" } },
    every = gramian.every,
  },
  derive = function(self)
    self.positive = self.norm == "loss" or self.norm == "loss+"
    if self.pool and self.at ~= "representation" then
      return "pool = 'sum' goes with at = 'representation'"
    end
  end,
  weights = function(self, ctx)
    local n, d = self:count(ctx), {}
    for i = 1, n do
      local length = self.norm == "none" and 1 or self.norm == "loss" and 1 or math.sqrt(math.max(ctx.gram[i][i], 0))
      length = self.positive and length * ctx.losses[i] or length
      d[i] = length > 0 and 1 / length or 1
    end
    local w = simplex.shortest(gramian.rescaled(ctx.gram, d))
    for i = 1, n do
      w[i] = w[i] * (self.mix == "normed" and d[i] or 1) * (self.sum and n or 1)
    end
    return w
  end,
}
