--- SDMGrad (Xiao et al., NeurIPS 2023): the direction that serves the worst task, held near the mean gradient, from
-- unbiased estimates. Each step draws three batches, so an epoch has a third of the steps; w is found on the first two
-- by projected gradient descent with momentum .5 (anew each time), the step is made on the third. Heads get their
-- gradient on the third batch. A task that becomes active begins at 1/T.
--
--   lambda      0.3  0: the direction of MGDA; large: the mean gradient
--   lr          5    size of the inner steps
--   iterations  20   how many there are
--   every       1    steps that weights are kept for
--
-- @formula A = J₁ J₂' / (s² + 1e-8), s the mean of √max(A_tt, 0) of J₁ J₂'; `iterations` times
-- w ← Π(w - lr (A w + lambda A 1/T)), Π on the simplex, w kept from step to step, from 1/T;
-- d = (J₃' w + lambda g₀) / (1 + lambda), g₀ the mean of the rows of J₃
-- @scale of a mean: weights sum to 1
-- @when batches are small and the mean loss matters too
-- @usage policy.sdmgrad({ iterations = 1, lr = 0.1 }):weights { gram = { { 1, 0 }, { 0, 4 } } }
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"
local history = require "mtl.history"
local shares = require "mtl.shares"
local simplex = require "mtl.solve.simplex"

-- A in a scale of its own, and A 1/T.
local function scaled(g)
  local n, s, a = #g, 0, {}
  for i = 1, n do
    s = s + math.sqrt(math.max(g[i][i], 0)) / n
  end
  for i = 1, n do
    a[i] = gramian.scaled(g[i], 1 / (s * s + 1e-8))
  end
  return a, gramian.times(a, gramian.fill(n, 1 / n))
end

return policy.define {
  name = "sdmgrad",
  paper = "Xiao et al., Direction-oriented multi-objective learning, NeurIPS 2023",
  needs = "gram",
  heads = "unit",
  batches = 3,
  params = {
    lambda = { default = 0.3, type = "number", least = 0 },
    lr = { default = 5, type = "number", above = 0 },
    iterations = { default = 20, type = "size" },
    every = gramian.every,
  },
  weights = function(self, ctx)
    local kept = history.all(self, ctx)
    local w = shares.of(kept)
    local a, mean = scaled(ctx.gram)
    local n = #w
    local velocity = gramian.fill(n, 0)
    for _ = 1, self.iterations do
      local slope = gramian.times(a, w)
      for i = 1, n do
        velocity[i] = 0.5 * velocity[i] + slope[i] + self.lambda * mean[i]
        w[i] = w[i] - self.lr * velocity[i]
      end
      w = simplex.project(w)
    end
    shares.keep(kept, w)
    local mixed = {}
    for i = 1, n do
      mixed[i] = (w[i] + self.lambda / n) / (1 + self.lambda)
    end
    return mixed
  end,
}
