--- Matthews' correlation coefficient (1975; several classes: R_k, Gorodkin 2004) brought from [-1, 1] to [0, 1]: (MCC +
-- 1) / 2, so that guessing is 0.5, not 0. Undefined where all targets are of one class; 0.5 where all predictions are.
-- metric.matthews is the coefficient itself. No soft form. For yes or no of unequal size, where both errors matter.
local kpi = require "mtl.kpi"
local confusion = require "mtl.confusion"
local element = require "mtl.element"

return kpi.define {
  name = "matthews",
  params = { ignore = { type = "integer" } },
  fits = element.fits_any_class,
  reset = confusion.reset,
  update = confusion.update,
  merge = confusion.merge,
  value = function(self)
    local mcc = confusion.matthews(self)
    return mcc and (mcc + 1) / 2
  end,
}
