--- Average precision: sum over distinct scores, from the highest, of (recall - recall before) x precision. Equal
-- scores are one step. One output: of the answer yes; several classes (each against the rest) or several outputs:
-- the mean over those that have a positive; undefined where none has. Soft form: Smooth-AP (Brown et al., ECCV 2020)
-- on probabilities, `tau` = 0.01. For rare positives, and wherever the order matters and no threshold is given.
local kpi = require "mtl.kpi"
local ranking = require "mtl.ranking"
local element = require "mtl.element"

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
  params = { tau = { default = 0.01, type = "number", above = 0 }, ignore = { type = "integer" } },
  fits = element.fits_any_class,
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
