--- F1: the harmonic mean of precision and recall. With one output: of the answer yes (logit above 0). Undefined without
-- labels, and for yes or no without any yes among targets and predictions.
--
--   average  "macro"  of several classes, the mean over those that occur among targets or predictions; "weighted": by
--                     their number of targets; "micro": of the sums over all
--   ignore            a class without a label, beside -1; of several classes only
--
-- @formula 2 TP / (2 TP + FP + FN)
-- @when classes are of unequal size
-- @sample mtl.tensor { { 2 }, { 1 }, { -1 }, { -1 } }, mtl.tensor { 1, 0, 1, 0 }
local kpi = require "mtl.kpi"
local confusion = require "mtl.confusion"
local counts = require "mtl.counts"
local fits = require "mtl.fits"

return kpi.define {
  name = "f1",
  params = {
    average = { default = "macro", choices = { "macro", "weighted", "micro" } },
    ignore = { type = "integer" },
  },
  fits = fits.any_class,
  reset = confusion.reset,
  update = confusion.update,
  merge = confusion.merge,
  value = function(self)
    local own = counts.of(self)
    local sum, weight, right, both = 0, 0, 0, 0
    for class = own.yes_no and 2 or 1, #own.actual do
      local actual = own.actual[class]
      local of_class = own.predicted[class] + actual
      right, both = right + own.right[class], both + of_class
      if of_class > 0 then
        local w = self.average == "weighted" and actual or 1
        sum, weight = sum + w * 2 * own.right[class] / of_class, weight + w
      end
    end
    if self.average == "micro" then
      return both > 0 and 2 * right / both or nil
    end
    return weight > 0 and sum / weight or nil
  end,
}
