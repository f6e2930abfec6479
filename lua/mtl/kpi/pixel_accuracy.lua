--- Pixel accuracy: the share of labelled pixels whose class is the one with the highest logit. It is kpi.accuracy over
-- logits [batch, classes, height, width], under the name that papers on dense prediction use, and refuses anything
-- else. Classes that fill the images decide it; mean_iou counts all alike.
local declare = require "mtl.declare"
local kpi = require "mtl.kpi"
local element = require "mtl.element"

local accuracy = declare.definition(kpi.accuracy)

return kpi.define {
  name = "pixel_accuracy",
  params = accuracy.params,
  fits = function(self, out, target)
    if target.kind == "class" and #(target.shape or {}) == 0 then
      return "kpi.pixel_accuracy counts pixels, but the target is one class for each example (kpi.accuracy)"
    end
    return element.fits_any_class(self, out, target)
  end,
  reset = accuracy.reset,
  update = accuracy.update,
  value = accuracy.value,
  soft = accuracy.soft,
}
