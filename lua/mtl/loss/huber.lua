--- Huber's loss: squared error near the target, absolute error far from it. Same scale as PyTorch's.
--
--   delta  1  where near ends
--
-- @formula the mean of e² / 2 where e = |x - y| ≤ δ, δ (e - δ / 2) beyond
-- @when it is regression with some outliers
-- @sample mtl.tensor { 1.5, 5 }, mtl.tensor { 1, 2 }
local loss = require "mtl.loss"
local element = require "mtl.element"
local fits = require "mtl.fits"

return loss.define {
  name = "huber",
  paper = "Huber, Robust estimation of a location parameter, Annals of Mathematical Statistics 1964",
  params = { delta = { default = 1, type = "number", above = 0 } },
  form = "squared",
  fits = fits.numbers,
  compute = function(self, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    local e = (x - y):abs()
    local near = e:clamp(0, self.delta)
    return element.mean(near * (e - near * 0.5), missing, n), n
  end,
}
