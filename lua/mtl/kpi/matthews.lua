--- Matthews' correlation coefficient (several classes: R_k, Gorodkin 2004), brought from [-1, 1] to [0, 1], so that
-- guessing is 0.5, not 0. Undefined where all targets are of one class; 0.5 where all predictions are. metric.matthews
-- is the coefficient itself.
--
--   ignore  a class without a label, beside -1; of several classes only
--
-- @formula (MCC + 1) / 2, MCC = (n Σ TP_c - Σ p_c a_c) / sqrt((n² - Σ p_c²) (n² - Σ a_c²)), p_c and a_c: how many
-- elements are predicted to be, and are, of class c
-- @when it is yes or no of unequal size, and both errors matter
-- @sample mtl.tensor { { 2 }, { 1 }, { -1 }, { -1 } }, mtl.tensor { 1, 1, 1, 0 }
local kpi = require "mtl.kpi"
local confusion = require "mtl.confusion"
local fits = require "mtl.fits"

return kpi.define {
  name = "matthews",
  paper = "Matthews, Comparison of the predicted and observed secondary structure of T4 phage lysozyme, 1975",
  params = { ignore = { type = "integer" } },
  fits = fits.any_class,
  reset = confusion.reset,
  update = confusion.update,
  merge = confusion.merge,
  value = function(self)
    local mcc = confusion.matthews(self)
    return mcc and (mcc + 1) / 2
  end,
}
