--- MoDo (Chen et al., NeurIPS 2023): weights learned by projected gradient steps on |J'l|^2 whose gradient is unbiased,
-- for it is of two batches drawn apart: l <- proj(l - gamma (J1 J2' l + rho l)), proj on the simplex, from 1/T; the
-- step is d = J3'l on a third batch. Each step draws three batches, so an epoch has a third of the steps.
--
--   gamma  1e-3  size of the steps of l
--   rho    0.1   pulls l to equal weights
--   every  1     steps that weights are kept for
--
-- Weights sum to 1: the scale of a mean. Heads get their own task's gradient on the third batch. ctx.gram[i][j] is
-- <gradient i on the first batch, gradient j on the second>. A task that becomes active begins at 1/T. For
-- small batches, where the weights of MGDA are mostly noise.
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
