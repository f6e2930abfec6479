--- The share of vectors (dimension 2: [batch, n] or [batch, 3, height, width]) whose angle to the target is below
-- `tolerance` degrees (11.25; papers on normals also give 22.5 and 30). Lengths do not matter. A vector whose target
-- has a NaN or is all 0 is left out. Soft form: the mean of sigmoid((tolerance - angle) / `softness`), softness: a
-- tenth of the tolerance. For surface normals and other directions.
local kpi = require "mtl.kpi"
local angle = require "mtl.angle"
local element = require "mtl.element"

return kpi.define {
  name = "angle_within",
  positional = { "tolerance" },
  params = {
    tolerance = { default = 11.25, type = "number", above = 0, below = 180 },
    softness = { type = "number", above = 0 },
  },
  fits = element.fits_vectors,
  reset = function(self)
    self.counts = { right = 0, n = 0 }
  end,
  update = function(self, pred, target)
    local degrees, missing, n = angle.degrees(pred, target)
    local right = element.sum(degrees:lt(self.tolerance), missing)
    self.counts.right, self.counts.n = self.counts.right + right, self.counts.n + n
  end,
  value = function(self)
    return self.counts.n > 0 and self.counts.right / self.counts.n or nil
  end,
  soft = function(self, pred, target)
    local degrees, missing, n = angle.degrees(pred, target)
    local s = self.softness or self.tolerance / 10
    return n > 0 and element.mean(((self.tolerance - degrees) / s):sigmoid(), missing, n) or nil
  end,
}
