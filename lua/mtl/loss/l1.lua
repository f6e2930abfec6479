--- Mean absolute error.
--
-- @formula the mean of |x - y|
-- @when the targets of a regression have outliers, and for depth
-- @sample mtl.tensor { 1.5, 5 }, mtl.tensor { 1, 2 }
local loss = require "mtl.loss"
local element = require "mtl.element"
local fits = require "mtl.fits"

return loss.define {
  name = "l1",
  form = "absolute",
  fits = fits.numbers,
  compute = function(_, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    return element.mean((x - y):abs(), missing, n), n
  end,
}
