--- Mean squared error. A few far-off targets weigh heavily (see huber).
--
-- @formula the mean of (x - y)²
-- @when it is regression: the usual loss
-- @sample mtl.tensor { 1.5, 5 }, mtl.tensor { 1, 2 }
local loss = require "mtl.loss"
local element = require "mtl.element"
local fits = require "mtl.fits"

return loss.define {
  name = "mse",
  form = "squared",
  fits = fits.numbers,
  compute = function(_, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    return element.mean((x - y):square(), missing, n), n
  end,
}
