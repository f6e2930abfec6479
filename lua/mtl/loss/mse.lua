--- Mean squared error: (pred - target)^2. The usual loss of regression; a few far-off targets weigh heavily (see
-- huber).
local loss = require "mtl.loss"
local element = require "mtl.element"

return loss.define {
  name = "mse",
  form = "squared",
  fits = element.fits_numbers,
  compute = function(_, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    return element.mean((x - y):square(), missing, n), n
  end,
}
