--- Mean angle in degrees between vectors (dimension 2: [batch, n] or [batch, 3, height, width]), as of surface normals.
-- A vector whose target has a NaN or is all 0 is left out.
local metric = require "mtl.metric"
local angle = require "mtl.angle"
local element = require "mtl.element"

return metric.define {
  name = "angle_mean",
  fits = element.fits_vectors,
  update = function(self, pred, target)
    local degrees, missing, n = angle.degrees(pred, target)
    self.sum, self.n = self.sum + element.sum(degrees, missing), self.n + n
  end,
}
