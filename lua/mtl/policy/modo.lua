--- MoDo (Chen et al., NeurIPS 2023): the shortest combination of the gradients, approached by projected gradient steps
-- whose slope is unbiased, for it is of two batches drawn apart; the step is made on a third. Each step draws three
-- batches, so an epoch has a third of the steps. Heads get their gradient on the third batch. A task that becomes
-- active begins at 1/T.
--
--   gamma  1e-3  size of the steps of w
--   rho    0.1   pulls w to equal weights
--   every  1     steps that weights are kept for
--
-- @formula w ← Π(w - gamma (J₁ J₂' w + rho w)), Π on the simplex, from 1/T; d = J₃' w;
-- ctx.gram = J₁ J₂', [i][j] of gradient i on the first batch and j on the second
-- @scale of a mean: Σ w = 1
-- @when batches are small, so that MGDA's weights are mostly noise
-- @usage policy.modo({ gamma = 0.1, rho = 0 }):weights { gram = { { 4, 1 }, { 1, 2 } } }
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"
local history = require "mtl.history"
local shares = require "mtl.shares"
local simplex = require "mtl.solve.simplex"

return policy.define {
  name = "modo",
  paper = "Chen et al., Three-way trade-off in multi-objective learning, NeurIPS 2023",
  needs = "gram",
  heads = "unit",
  batches = 3,
  params = {
    gamma = { default = 1e-3, type = "number", least = 0 },
    rho = { default = 0.1, type = "number", least = 0 },
    every = gramian.every,
  },
  weights = function(self, ctx)
    local kept = history.all(self, ctx)
    local l = shares.of(kept)
    local slope = gramian.times(ctx.gram, l)
    for i = 1, #l do
      l[i] = l[i] - self.gamma * (slope[i] + self.rho * l[i])
    end
    return shares.keep(kept, simplex.project(l))
  end,
}
