--- Aligned-MTL (Senushkin et al., CVPR 2023): the nearest gradients that are orthogonal and of one length, so that the
-- system's condition number is 1. G = V S V'; of the r eigenvalues above the largest x T x 1.2e-7,
-- B = sqrt(least) V S^(-1/2) V' and w = B 1/T. The scale is that of a mean; where G = 0, w = 1/T.
--
--   sum    false  true: w = B 1, the scale of a sum
--   every  1      steps that weights are kept for
--
-- Weights do not change when all gradients grow together. For tasks that conflict and dominate each other.
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"
local spectral = require "mtl.solve.spectral"

local function balance(value, least)
  return math.sqrt(least / value)
end

return policy.define {
  name = "aligned_mtl",
  paper = "Senushkin et al., Independent component alignment for multi-task learning, CVPR 2023",
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
