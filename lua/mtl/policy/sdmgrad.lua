--- SDMGrad (Xiao et al., NeurIPS 2023): the direction that serves the worst task, held near the mean gradient g0, from
-- estimates without bias. With A = J1 J2' / (s^2 + 1e-8) of two batches drawn apart, s the mean of sqrt(max(A_tt, 0)),
-- `iterations` steps of projected gradient descent with momentum .5 (anew each time), w <- proj(w - lr (A w + lambda A
-- 1/T)), proj on the simplex; w is kept from step to step, from 1/T. Then d = (gw + lambda g0) / (1 + lambda) on a
-- third batch, gw = sum w g. Each step draws three batches, so an epoch has a third of the steps.
--
--   lambda      0.3  0: the direction of MGDA; large: the mean gradient
--   lr          5    size of the inner steps
--   iterations  20   how many there are
--   every       1    steps that weights are kept for
--
-- Weights sum to 1: the scale of a mean. Heads get their own task's gradient on the third batch. ctx.gram[i][j] is
-- <gradient i on the first batch, gradient j on the second>. A task that becomes active begins at 1/T. For
-- small batches where the mean loss matters too.
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
