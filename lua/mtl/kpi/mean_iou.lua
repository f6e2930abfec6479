--- Mean intersection over union: the mean over the classes that occur among the targets of TP / (TP + FP + FN), counted
-- over all pixels (elements) that were seen, not image by image. One output: no and yes are the two classes. Undefined
-- without labels. Soft form: on a batch, with probabilities p and targets y of 0 and 1, sum p y / sum (p + y - p y).
-- For semantic segmentation: logits [batch, classes, height, width], int32 targets [batch, height, width].
local kpi = require "mtl.kpi"
local confusion = require "mtl.confusion"
local element = require "mtl.element"

local function iou(right, predicted, actual)
  local union = predicted + actual - right
  return right / (type(union) == "number" and union or union:clamp(1e-12))
end

return kpi.define {
  name = "mean_iou",
  params = { ignore = { type = "integer" } },
  fits = element.fits_any_class,
  reset = confusion.reset,
  update = confusion.update,
  merge = confusion.merge,
  value = function(self)
    return confusion.mean(self, iou)
  end,
  soft = function(self, pred, target)
    return confusion.soft_mean(self, pred, target, iou)
  end,
}
