--- The share of pixels whose depth is near enough, as a ratio. Targets that are NaN, 0 or below are left out; a
-- predicted depth of 0 or below is wrong. It is kpi.within(tolerance, { by = "ratio" }) that knows what a missing
-- depth is.
--
--   tolerance  1.25  the paper's stricter and looser ones are 1.25^2 and 1.25^3
--   softness         of the soft form (default: a tenth of tolerance - 1)
--
-- @formula Σ [r < tolerance] / n, r = max(x / y, y / x), x and y taken to be at least 1e-6
-- @soft the mean of sigmoid((tolerance - r) / softness)
-- @when the task is depth: what counts is the error in proportion, and some pixels have no depth
-- @sample mtl.tensor { 1.1, 3, 1 }, mtl.tensor { 1, 2, 0 }
local declare = require "mtl.declare"
local kpi = require "mtl.kpi"
local element = require "mtl.element"
local fits = require "mtl.fits"

local within = declare.definition(kpi.within)

return kpi.define {
  name = "depth_within",
  paper = "Eigen et al., Depth map prediction from a single image using a multi-scale deep network, NeurIPS 2014",
  positional = { "tolerance" },
  params = {
    tolerance = { default = 1.25, type = "number", above = 1 },
    softness = { type = "number", above = 0 },
  },
  by = "ratio",
  fits = fits.numbers,
  reset = within.reset,
  update = function(self, pred, target)
    within.update(self, pred, element.positive(target))
  end,
  value = within.value,
  soft = function(self, pred, target)
    return within.soft(self, pred, element.positive(target))
  end,
}
