--- ConFIG (Liu, Chu & Thuerey 2024): a direction with the same cosine to every task's gradient, as long as the
-- gradients' projections on it together. It does not depend on the gradients' lengths. Gradients that are 0 are left
-- out; where no direction has equal cosines (opposed gradients) w = 0.
--
--   every  1  steps that weights are kept for
--
-- @formula C the cosines, b = pinv(C) 1, n² = 1'b: the direction is u = Σ b_t g_t / (n |g_t|), s = Σ g_t·u;
-- w_t = (s / n) b_t / |g_t|
-- @scale of a sum of T gradients
-- @when losses of different scales conflict, as in physics informed networks
-- @usage policy.config():weights { gram = { { 4, 1 }, { 1, 2 } } }
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"
local spectral = require "mtl.solve.spectral"

return policy.define {
  name = "config",
  paper = "Liu, Chu & Thuerey, ConFIG: towards conflict-free training of physics informed neural networks, 2024",
  blind = true,
  needs = "gram",
  heads = "unit",
  params = { every = gramian.every },
  weights = function(self, ctx)
    local list, inverse = gramian.nonzero(ctx.gram, 1e-30), {}
    for k, i in ipairs(list) do
      inverse[k] = 1 / math.sqrt(ctx.gram[i][i])
    end
    local cosines = gramian.rescaled(gramian.part(ctx.gram, list), inverse)
    local b = spectral(cosines, gramian.fill(#list, 1))
    local square, s, along = 0, 0, gramian.times(cosines, b)
    for k = 1, #list do
      square, s = square + b[k], s + along[k] / inverse[k]
    end
    local w = gramian.fill(self:count(ctx), 0)
    for k, i in ipairs(list) do
      w[i] = square > 1e-12 and s / square * b[k] * inverse[k] or 0
    end
    return w
  end,
}
