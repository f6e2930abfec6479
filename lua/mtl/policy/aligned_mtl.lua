--- Aligned-MTL (Senushkin et al., CVPR 2023): the nearest gradients that are orthogonal and of one length, so that the
-- system's condition number is 1. Weights do not change when all gradients grow together; where G = 0, w = 1/T.
--
--   sum    false  true: w = B 1, the scale of a sum
--   every  1      steps that weights are kept for
--
-- @formula G = V S V'; of the r eigenvalues above the largest × T × 1.2e-7: B = √(least) V S^(-1/2) V', w = B 1/T
-- @scale of a mean; with `sum` that of a sum
-- @when tasks conflict, and some dominate others
-- @usage policy.aligned_mtl():weights { gram = { { 4, 1 }, { 1, 2 } } }
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"
local spectral = require "mtl.solve.spectral"

local function balance(value, least)
  return math.sqrt(least / value)
end

return policy.define {
  name = "aligned_mtl",
  paper = "Senushkin et al., Independent component alignment for multi-task learning, CVPR 2023",
  blind = true,
  needs = "gram",
  heads = "unit",
  params = { sum = { default = false, type = "boolean" }, every = gramian.every },
  weights = function(self, ctx)
    local n = self:count(ctx)
    local start = gramian.fill(n, self.sum and 1 or 1 / n)
    local w, rank = spectral(ctx.gram, start, balance, n * 1.2e-7)
    return rank > 0 and w or start
  end,
}
