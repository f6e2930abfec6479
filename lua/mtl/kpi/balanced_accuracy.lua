--- Balanced accuracy: the mean recall of the classes that occur among the targets. One output: no and yes are the two
-- classes. Undefined without labels.
--
--   ignore  a class without a label, beside -1; of several classes only
--
-- @formula the mean over classes c with targets of TP_c / (TP_c + FN_c)
-- @soft the mean over the classes of the batch of the mean probability of the true class
-- @when classes are of unequal size and matter alike
-- @sample mtl.tensor { { 2, 1 }, { 2, 0 }, { 3, 0 }, { 0, 1 } }, mtl.tensor({ 0, 0, 1, 1 }, "int32")
local kpi = require "mtl.kpi"
local confusion = require "mtl.confusion"
local fits = require "mtl.fits"

local function recall(right, _, actual)
  return right / (type(actual) == "number" and actual or actual:clamp(1))
end

return kpi.define {
  name = "balanced_accuracy",
  paper = "Brodersen et al., The balanced accuracy and its posterior distribution, ICPR 2010",
  params = { ignore = { type = "integer" } },
  fits = fits.any_class,
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
