--- Cosine loss: 1 - cos of the angle between prediction and target, vectors along dimension 2: [batch, n] or
-- [batch, n, height, width]; the mean over the vectors, from 0 (same direction) to 2. Lengths do not matter. A vector
-- whose target has a NaN or is all 0 is left out.
-- For surface normals and embeddings. Its form is "absolute": that of directions in space (von Mises-Fisher).
local loss = require "mtl.loss"
local angle = require "mtl.angle"
local element = require "mtl.element"

return loss.define {
  name = "cosine",
  form = "absolute",
  fits = element.fits_vectors,
  compute = function(_, pred, target)
    local cos, missing, n = angle.cosine(pred, target)
    return element.mean(1 - cos, missing, n), n
  end,
}
