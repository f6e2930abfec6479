--- Mean angle in degrees between vectors, as of surface normals. Vectors lie along dimension 2: [batch, n] or [batch,
-- 3, height, width]. A vector whose target has a NaN or is all 0 is left out.
--
-- @formula Σ a / n, a the angle between prediction and target in degrees
-- @when the task gives directions, and papers are compared with
-- @sample mtl.tensor { { 1, 0 }, { 1, 1 } }, mtl.tensor { { 2, 0 }, { 1, 0 } }
local metric = require "mtl.metric"
local counts = require "mtl.counts"
local angle = require "mtl.angle"
local element = require "mtl.element"
local fits = require "mtl.fits"

return metric.define {
  name = "angle_mean",
  fits = fits.vectors,
  update = function(self, pred, target)
    local degrees, missing, n = angle.degrees(pred, target)
    counts.sum(self, "sum", element.sum(degrees, missing), n)
  end,
}
