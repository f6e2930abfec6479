--- The share of pixels whose depth is near enough: max(pred / target, target / pred) < `tolerance` (1.25, Eigen et al.
-- 2014; their stricter and looser ones are 1.25^2, 1.25^3). Targets that are NaN, 0 or below are left out; a predicted
-- depth of 0 or below is wrong. Soft form: the mean of sigmoid((tolerance - ratio) / `softness`), softness: a tenth of
-- tolerance - 1. It is kpi.within(tolerance, { by = "ratio" }) that knows what a missing depth is.
local declare = require "mtl.declare"
local kpi = require "mtl.kpi"
local element = require "mtl.element"

local within = declare.definition(kpi.within)

return kpi.define {
  name = "depth_within",
  positional = { "tolerance" },
  params = {
    tolerance = { default = 1.25, type = "number", above = 1 },
    softness = { type = "number", above = 0 },
  },
  by = "ratio",
  fits = element.fits_numbers,
  reset = within.reset,
  update = function(self, pred, target)
    within.update(self, pred, element.positive(target))
  end,
  value = within.value,
  soft = function(self, pred, target)
    return within.soft(self, pred, element.positive(target))
  end,
}
