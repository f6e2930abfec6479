--- Huber's loss (1964), of e = |pred - target|: e^2 / 2 where e <= `delta` (1), delta (e - delta / 2) beyond.
-- Squared error near the target, absolute error far from it: regression with some outliers. Same scale as PyTorch's.
local loss = require "mtl.loss"
local element = require "mtl.element"

return loss.define {
  name = "huber",
  params = { delta = { default = 1, type = "number", above = 0 } },
  form = "squared",
  fits = element.fits_numbers,
  compute = function(self, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    local e = (x - y):abs()
    local near = e:clamp(0, self.delta)
    return element.mean(near * (e - near * 0.5), missing, n), n
  end,
}
