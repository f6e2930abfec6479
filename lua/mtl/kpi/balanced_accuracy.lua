--- Balanced accuracy: the mean over the classes that occur among the targets of the share of their elements that is
-- recognised (recall). One output: no and yes are the two classes. Undefined without labels. Soft form: the mean over
-- these classes of the mean probability of the true class. For classes of unequal size that matter alike.
local kpi = require "mtl.kpi"
local confusion = require "mtl.confusion"
local element = require "mtl.element"

local function recall(right, _, actual)
  return right / (type(actual) == "number" and actual or actual:clamp(1))
end

return kpi.define {
  name = "balanced_accuracy",
  params = { ignore = { type = "integer" } },
  fits = element.fits_any_class,
  reset = confusion.reset,
  update = confusion.update,
  merge = confusion.merge,
  value = function(self)
    return confusion.mean(self, recall)
  end,
  soft = function(self, pred, target)
    return confusion.soft_mean(self, pred, target, recall)
  end,
}
