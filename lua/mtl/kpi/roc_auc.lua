--- Area under the ROC curve: the share of pairs (positive, negative) that the scores put in order. A pair of equal
-- scores counts half. One output: of the answer yes; several classes (each against the rest) or several outputs: the
-- mean over those that have both kinds; undefined where none has.
--
--   tau     0.01  of the soft form: how far apart two probabilities are to count as ordered
--   ignore        a class without a label, beside -1; of several classes only
--
-- @formula Σ ([s⁺ > s⁻] + [s⁺ = s⁻] / 2) / (P N) over the pairs of P positives and N negatives
-- @soft the mean over pairs of sigmoid((s⁺ - s⁻) / tau) of probabilities
-- @when it is yes or no at any threshold; where positives are rare, average_precision is stricter
-- @sample mtl.tensor { { 2 }, { 1 }, { 0 }, { -1 } }, mtl.tensor { 1, 0, 1, 0 }
local kpi = require "mtl.kpi"
local ranking = require "mtl.ranking"
local fits = require "mtl.fits"

local function exact(groups, positives, negatives)
  local above, pairs_won = 0, 0 -- positives seen so far, all of higher score
  for _, group in ipairs(groups) do
    pairs_won = pairs_won + group[2] * (above + group[1] / 2)
    above = above + group[1]
  end
  return positives > 0 and negatives > 0 and pairs_won / (positives * negatives) or nil
end

-- above_ij with i negative and j positive
local function smooth(above, positive, negative, n, m)
  if n == 0 or m == 0 then
    return nil
  end
  return (above:matmul(positive) * negative):sum() / (n * m)
end

return kpi.define {
  name = "roc_auc",
  paper = "Hanley & McNeil, The meaning and use of the area under a ROC curve, Radiology 1982",
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
