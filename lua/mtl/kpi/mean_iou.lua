--- Mean intersection over union: the mean over the classes that occur among the targets, counted over all pixels
-- (elements) that were seen, not image by image. One output: no and yes are the two classes. Undefined without labels.
--
--   ignore  a class without a label, beside -1; of several classes only
--
-- @formula the mean over classes with targets of TP / (TP + FP + FN)
-- @soft on a batch, with probabilities p and targets y of 0 and 1, the same mean of Σ p y / Σ (p + y - p y)
-- @when the task is semantic segmentation: logits [batch, classes, height, width], int32 targets [batch, height,
-- width]
-- @sample mtl.tensor { { 2, 1 }, { 2, 0 }, { 3, 0 }, { 0, 1 } }, mtl.tensor({ 0, 0, 1, 1 }, "int32")
local kpi = require "mtl.kpi"
local confusion = require "mtl.confusion"
local fits = require "mtl.fits"

local function iou(right, predicted, actual)
  local union = predicted + actual - right
  return right / (type(union) == "number" and union or union:clamp(1e-12))
end

return kpi.define {
  name = "mean_iou",
  paper = "Everingham et al., The Pascal visual object classes (VOC) challenge, IJCV 2010",
  params = { ignore = { type = "integer" } },
  fits = fits.any_class,
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
