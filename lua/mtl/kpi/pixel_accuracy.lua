--- Pixel accuracy: the share of labelled pixels whose class is the one with the highest logit. It is kpi.accuracy over
-- logits [batch, classes, height, width], under the name that papers on dense prediction use, and refuses anything
-- else.
--
--   ignore  a class without a label, beside -1; of several classes only
--
-- @formula Σ [argmax x = y] / n over the n labelled pixels
-- @soft the mean probability of the true class
-- @when papers on dense prediction are compared with; classes that fill the images decide it, mean_iou counts all
-- alike
-- @sample mtl.tensor({ 2, 1, 1, 3 }):reshape(1, 2, 1, 2), mtl.tensor({ 0, 0 }, "int32"):reshape(1, 1, 2)
local declare = require "mtl.declare"
local kpi = require "mtl.kpi"
local fits = require "mtl.fits"

local accuracy = declare.definition(kpi.accuracy)

return kpi.define {
  name = "pixel_accuracy",
  paper = "Long et al., Fully convolutional networks for semantic segmentation, CVPR 2015",
  params = accuracy.params,
  fits = function(self, out, target)
    if target.kind == "class" and #(target.shape or {}) == 0 then
      return "kpi.pixel_accuracy counts pixels, but the target is one class for each example (kpi.accuracy)"
    end
    return fits.any_class(self, out, target)
  end,
  reset = accuracy.reset,
  update = accuracy.update,
  value = accuracy.value,
  soft = accuracy.soft,
}
