--- Conflict averse gradient descent (Liu et al., NeurIPS 2021): of all directions within c |g0| of the mean gradient
-- g0, the one that helps the worst task most.
--
--   c        0.5    0: the mean gradient; at 1 and above near MGDA's directions
--   rescale  0      as in the paper; 1: d is divided by 1 + c^2; 2: by 1 + c
--   sum      false  true: d times T (the published code is rescale = 1, sum = true)
--   every    1      steps that weights are kept for
--
-- @formula w = argmin over w ≥ 0, Σ w = 1, of gw·g0 + c |g0| |gw|, where g0 = Σ g/T, gw = Σ w g;
-- d = g0 + c |g0| / (|gw| + 1e-8) gw
-- @scale of a mean, times up to 1 + c; with `sum` times T
-- @when tasks conflict, and the mean loss is what counts
-- @usage policy.cagrad():weights { gram = { { 4, -1 }, { -1, 1 } } }
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"
local simplex = require "mtl.solve.simplex"

return policy.define {
  name = "cagrad",
  paper = "Liu et al., Conflict-averse gradient descent for multi-task learning, NeurIPS 2021",
  blind = true,
  needs = "gram",
  heads = "unit",
  params = {
    c = { default = 0.5, type = "number", least = 0 },
    rescale = { default = 0, choices = { 0, 1, 2 } },
    sum = { default = false, type = "boolean" },
    every = gramian.every,
  },
  weights = function(self, ctx)
    local n, c = self:count(ctx), self.c
    local w = simplex.averse(ctx.gram, c)
    local mean = math.sqrt(gramian.square(ctx.gram, gramian.fill(n, 1 / n)))
    local k = c * mean / (math.sqrt(gramian.square(ctx.gram, w)) + 1e-8)
    local scale = ({ [0] = 1, 1 + c * c, 1 + c })[self.rescale]
    for i = 1, n do
      w[i] = (1 / n + k * w[i]) / scale * (self.sum and n or 1)
    end
    return w
  end,
}
