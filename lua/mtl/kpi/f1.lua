--- F1 = 2 TP / (2 TP + FP + FN). With one output: of the answer yes (logit above 0). With several classes, `average`:
-- "macro" (default), the mean over the classes that occur among targets or predictions; "weighted", by their number of
-- targets; "micro", of the sums. Undefined without labels, and for yes or no without any yes. No soft form.
-- For classes of unequal size.
local kpi = require "mtl.kpi"
local core = require "mtl.core"
local element = require "mtl.element"

local function add(list, i, x)
  list[i] = (list[i] or 0) + x
end

return kpi.define {
  name = "f1",
  params = {
    average = { default = "macro", choices = { "macro", "weighted", "micro" } },
    ignore = { type = "integer" },
  },
  fits = element.fits_any_class,
  reset = function(self)
    self.right, self.predicted, self.actual = {}, {}, {} -- by class: TP, TP + FP, TP + FN
  end,
  update = function(self, pred, target)
    local guess, truth, present
    if element.several(pred, target) then
      local y, missing = element.classes(target, self.ignore)
      local classes = pred:shape(2)
      present = (1 - missing):reshape(-1, 1)
      guess = pred:argmax(2):reshape(-1):one_hot(classes) * present
      truth = y:reshape(-1):one_hot(classes) * present
    else
      local x, y, missing = element.binary(pred, target)
      present = missing and (1 - missing):reshape(-1, 1) or core.ones(y:count(), 1)
      guess, truth = x:reshape(-1, 1):gt(0) * present, y:reshape(-1, 1):gt(0.5) * present
    end
    local right, predicted = (guess * truth):sum(1):totable(), guess:sum(1):totable()
    for class, actual in ipairs(truth:sum(1):totable()) do
      add(self.right, class, right[class])
      add(self.predicted, class, predicted[class])
      add(self.actual, class, actual)
    end
  end,
  merge = function(self, other)
    for class, actual in pairs(other.actual) do
      add(self.right, class, other.right[class])
      add(self.predicted, class, other.predicted[class])
      add(self.actual, class, actual)
    end
  end,
  value = function(self)
    local sum, weight, right, both = 0, 0, 0, 0
    for class, actual in ipairs(self.actual) do
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
