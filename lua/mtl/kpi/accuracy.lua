--- Accuracy: the share of labelled elements whose class is the one with the highest logit (the first of equals). With
-- one output: yes where the logit is above 0.
--
--   ignore  a class without a label, beside -1; of several classes only
--
-- @formula Σ [argmax x = y] / n over the n labelled elements; of one output Σ [(x > 0) = (y > 0.5)] / n
-- @soft the mean probability of the true class: softmax(x) at y; of one output sigmoid(x) for yes, sigmoid(-x) for no
-- @when classes are of about equal size; where one class is rare, f1 or average_precision say more
-- @sample mtl.tensor { { 2, 1 }, { 0, 3 }, { 1, 0 } }, mtl.tensor({ 0, 0, 0 }, "int32")
local kpi = require "mtl.kpi"
local core = require "mtl.core"
local counts = require "mtl.counts"
local element = require "mtl.element"
local fits = require "mtl.fits"

return kpi.define {
  name = "accuracy",
  params = { ignore = { type = "integer" } },
  fits = fits.any_class,
  reset = function(self)
    self.counts = { right = 0, n = 0 }
  end,
  update = function(self, pred, target)
    local right, n, missing
    if element.several(pred, target) then
      local y
      y, missing, n = element.classes(target, self.ignore)
      right = pred:argmax(2):eq(y)
    else
      local x, y
      x, y, missing, n = element.binary(pred, target)
      right = x:gt(0):eq(y:gt(0.5))
    end
    counts.sum(self, "right", element.sum(right, missing), n)
  end,
  value = function(self)
    return counts.mean(self, "right")
  end,
  soft = function(self, pred, target)
    local p, _, missing, n
    if element.several(pred, target) then
      p, _, missing, n = element.true_class(pred, target, self.ignore)
      p = p:exp()
    else
      local x, y
      x, y, missing, n = element.binary(pred, target)
      p = core.where(y:gt(0.5), x:sigmoid(), (-x):sigmoid())
    end
    return n > 0 and element.mean(p, missing, n) or nil
  end,
}
