--- Cross-entropy of class logits. pred [batch, classes, ...], target int32 [batch, ...]; -1 has no label.
--
--   weight         one number a class: the mean is weighted, as in PyTorch
--   smoothing  0   mixes the target with the uniform distribution: 1 - s on the class, s / classes on all
--   ignore     -1  a class without a label, beside -1
--
-- @formula the mean over the labelled elements of -log softmax(x) at y; with `weight` Σ w_y e / Σ w_y;
-- with `smoothing` s: (1 - s) times this + s / C Σ_c -w_c log softmax(x)_c, over the same divisor
-- @when it is one class out of several; of pixels too
-- @sample mtl.tensor { { 2, 1 }, { 0, 3 } }, mtl.tensor({ 0, 0 }, "int32")
local loss = require "mtl.loss"
local core = require "mtl.core"
local element = require "mtl.element"
local fits = require "mtl.fits"

return loss.define {
  name = "cross_entropy",
  paper = "Szegedy et al., Rethinking the Inception architecture for computer vision, CVPR 2016 (smoothing)",
  params = {
    weight = { type = "numbers", least = 0 },
    smoothing = { default = 0, type = "number", least = 0, below = 1 },
    ignore = { default = -1, type = "integer", least = -2 ^ 31, below = 2 ^ 31 },
  },
  form = "classification",
  fits = function(self, out, target)
    local wrong = fits.classes(self, out, target)
    if not wrong and self.weight and #self.weight ~= target.classes then
      wrong = ("weight has %d numbers, but the target has %d classes"):format(#self.weight, target.classes)
    end
    return wrong
  end,
  compute = function(self, pred, target)
    return core.cross_entropy(pred, target, {
      weight = self.weight and element.constants(self.weight, pred),
      smoothing = self.smoothing,
      ignore = math.tointeger(self.ignore),
    })
  end,
}
