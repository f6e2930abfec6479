--- Cross-entropy of class logits: -log softmax(pred)[target], the mean over the labelled elements.
-- pred [batch, classes, ...], target int32 [batch, ...]; -1 and `ignore` have no label.
-- For one class out of several. With `weight` (one number a class) the mean is weighted, as in PyTorch; `smoothing` s
-- mixes the target with the uniform distribution: (1 - s) on the class, s/classes on all (Szegedy et al., CVPR 2016).
local loss = require "mtl.loss"
local core = require "mtl.core"
local element = require "mtl.element"

return loss.define {
  name = "cross_entropy",
  params = {
    weight = { type = "numbers", least = 0 },
    smoothing = { default = 0, type = "number", least = 0, below = 1 },
    ignore = { default = -1, type = "integer", least = -2 ^ 31, below = 2 ^ 31 },
  },
  form = "classification",
  fits = function(self, out, target)
    local wrong = element.fits_classes(self, out, target)
    if not wrong and self.weight and #self.weight ~= target.classes then
      wrong = ("weight has %d numbers, but the target has %d classes"):format(#self.weight, target.classes)
    end
    return wrong
  end,
  compute = function(self, pred, target)
    return core.cross_entropy(pred, target, {
      weight = self.weight and core.tensor(self.weight):to(pred:device()),
      smoothing = self.smoothing,
      ignore = math.tointeger(self.ignore),
    })
  end,
}
