--- Average precision: precision, averaged over the steps in which recall grows. Equal scores are one step. One output:
-- of the answer yes; several classes (each against the rest) or several outputs: the mean over those that have a
-- positive;
-- undefined where none has.
--
--   tau     0.01  of the soft form: how far apart two probabilities are to count as ordered
--   ignore        a class without a label, beside -1; of several classes only
--
-- @formula Σ (R - R before) P over distinct scores, from the highest; R, P: recall and precision of all down to this
-- score
-- @soft Smooth-AP on probabilities s: the mean over positives i of (1 + Σ a_ij over positives j ≠ i) / (1 + Σ a_ij
-- over all j ≠ i), with a_ij = sigmoid((s_j - s_i) / tau)
-- @when positives are rare, and wherever the order matters and no threshold is given
-- @sample mtl.tensor { { 2 }, { 1 }, { 0 }, { -1 } }, mtl.tensor { 1, 0, 1, 0 }
local kpi = require "mtl.kpi"
local ranking = require "mtl.ranking"
local fits = require "mtl.fits"

local function exact(groups, positives)
  local found, seen, sum = 0, 0, 0
  for _, group in ipairs(groups) do
    found, seen = found + group[1], seen + group[1] + group[2]
    sum = sum + group[1] * found / seen
  end
  return positives > 0 and sum / positives or nil
end

-- Over positives i: (1 + sum over positives j of above_ij) / (1 + sum over all j of above_ij), j ~= i.
local function smooth(above, positive, negative, n)
  if n == 0 then
    return nil
  end
  local same = above:matmul(positive) + 1
  return ((same / (same + above:matmul(negative))) * positive):sum() / n
end

return kpi.define {
  name = "average_precision",
  paper = "Brown et al., Smooth-AP: smoothing the path towards large-scale image retrieval, ECCV 2020 (soft form)",
  params = { tau = { default = 0.01, type = "number", above = 0 }, ignore = { type = "integer" } },
  fits = fits.any_class,
  holds = ranking.holds,
  reset = ranking.reset,
  update = ranking.update,
  merge = ranking.merge,
  value = function(self)
    return ranking.value(self, exact)
  end,
  soft = function(self, pred, target)
    return ranking.soft(self, pred, target, smooth)
  end,
}
