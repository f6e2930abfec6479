--- Mean absolute error: |pred - target|. For regression whose targets have outliers, and for depth.
local loss = require "mtl.loss"
local element = require "mtl.element"

return loss.define {
  name = "l1",
  form = "absolute",
  fits = element.fits_numbers,
  compute = function(_, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    return element.mean((x - y):abs(), missing, n), n
  end,
}
