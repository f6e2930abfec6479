--- Cosine loss: 1 - cos of the angle between prediction and target, from 0 (same direction) to 2. Vectors lie along
-- dimension 2: [batch, n] or [batch, n, height, width]. Their lengths do not matter. A vector whose target has a NaN
-- or is all 0 is left out. Its form is "absolute": that of directions in space (von Mises-Fisher).
--
-- @formula the mean over the vectors of 1 - x·y / (|x| |y|)
-- @when the task gives surface normals or embeddings
-- @sample mtl.tensor { { 1, 0 }, { 1, 1 } }, mtl.tensor { { 2, 0 }, { 1, 0 } }
local loss = require "mtl.loss"
local angle = require "mtl.angle"
local element = require "mtl.element"
local fits = require "mtl.fits"

return loss.define {
  name = "cosine",
  form = "absolute",
  fits = fits.vectors,
  compute = function(_, pred, target)
    local cos, missing, n = angle.cosine(pred, target)
    return element.mean(1 - cos, missing, n), n
  end,
}
