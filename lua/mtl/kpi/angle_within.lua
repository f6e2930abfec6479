--- The share of vectors whose angle to the target is small: below `tolerance` degrees. Vectors lie along dimension 2:
-- [batch, n] or [batch, 3, height, width]. Their lengths do not matter. A vector whose target has a NaN or is all 0 is
-- left out.
--
--   tolerance  11.25  in degrees; papers on normals also give 22.5 and 30
--   softness          of the soft form, in degrees (default: a tenth of the tolerance)
--
-- @formula Σ [a < tolerance] / n, a the angle between prediction and target in degrees, n the vectors that have a
-- target
-- @soft the mean of sigmoid((tolerance - a) / softness)
-- @when the task gives surface normals or other directions
-- @sample mtl.tensor { { 1, 0, 0 }, { 1, 1, 0 } }, mtl.tensor { { 2, 0, 0 }, { 1, 0, 0 } }
local kpi = require "mtl.kpi"
local angle = require "mtl.angle"
local counts = require "mtl.counts"
local element = require "mtl.element"
local fits = require "mtl.fits"

return kpi.define {
  name = "angle_within",
  paper = "Fouhey et al., Data-driven 3D primitives for single image understanding, ICCV 2013",
  positional = { "tolerance" },
  params = {
    tolerance = { default = 11.25, type = "number", above = 0, below = 180 },
    softness = { type = "number", above = 0 },
  },
  fits = fits.vectors,
  reset = function(self)
    self.counts = { right = 0, n = 0 }
  end,
  update = function(self, pred, target)
    local degrees, missing, n = angle.degrees(pred, target)
    counts.sum(self, "right", element.sum(degrees:lt(self.tolerance), missing), n)
  end,
  value = function(self)
    return counts.mean(self, "right")
  end,
  soft = function(self, pred, target)
    local degrees, missing, n = angle.degrees(pred, target)
    local s = self.softness or self.tolerance / 10
    return n > 0 and element.mean(((self.tolerance - degrees) / s):sigmoid(), missing, n) or nil
  end,
}
