--- F1 = 2 TP / (2 TP + FP + FN). With one output: of the answer yes (logit above 0). With several classes, `average`:
-- "macro" (default), the mean over the classes that occur among targets or predictions; "weighted", by their number of
-- targets; "micro", of the sums. Undefined without labels, and for yes or no without any yes. No soft form.
-- For classes of unequal size.
local kpi = require "mtl.kpi"
local confusion = require "mtl.confusion"
local element = require "mtl.element"

return kpi.define {
  name = "f1",
  params = {
    average = { default = "macro", choices = { "macro", "weighted", "micro" } },
    ignore = { type = "integer" },
  },
  fits = element.fits_any_class,
  reset = confusion.reset,
  update = confusion.update,
  merge = confusion.merge,
  value = function(self)
    local sum, weight, right, both = 0, 0, 0, 0
    for class = self.yes_no and 2 or 1, #self.actual do
      local actual = self.actual[class]
      local of_class = self.predicted[class] + actual
      right, both = right + self.right[class], both + of_class
      if of_class > 0 then
        local w = self.average == "weighted" and actual or 1
        sum, weight = sum + w * 2 * self.right[class] / of_class, weight + w
      end
    end
    if self.average == "micro" then
      return both > 0 and 2 * right / both or nil
    end
    return weight > 0 and sum / weight or nil
  end,
}
