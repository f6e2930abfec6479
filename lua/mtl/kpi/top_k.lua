--- Top-k accuracy: the share of labelled elements whose true class is among the k highest logits. Of equal logits the
-- lower class comes first, so top_k(1) is accuracy.
--
--   k       5  how many
--   ignore     a class without a label, beside -1
--
-- @formula Σ [y is among the k largest of x] / n over the n labelled elements
-- @when there are many classes that resemble one another
-- @usage kpi.top_k(2)
-- @sample mtl.tensor { { 3, 2, 1 }, { 3, 2, 1 } }, mtl.tensor({ 1, 2 }, "int32")
local kpi = require "mtl.kpi"
local core = require "mtl.core"
local counts = require "mtl.counts"
local element = require "mtl.element"
local fits = require "mtl.fits"

return kpi.define {
  name = "top_k",
  positional = { "k" },
  params = { k = { default = 5, type = "size" }, ignore = { type = "integer" } },
  fits = function(self, out, target)
    local wrong = fits.classes(self, out, target)
    if not wrong and self.k > target.classes then
      wrong = ("k is %d, but the target has %d classes"):format(self.k, target.classes)
    end
    return wrong
  end,
  reset = function(self)
    self.counts = { right = 0, n = 0 }
  end,
  update = function(self, pred, target)
    local y, missing, n = element.classes(target, self.ignore)
    local shape, places = y:shape(), {}
    for i = 1, pred:rank() do
      places[i] = i == 2 and pred:shape(2) or 1
    end
    table.insert(shape, 2, 1)
    y = y:reshape(shape)
    local own, index = pred:gather(2, y), core.arange(pred:shape(2), "int32"):to(pred:device()):reshape(places)
    -- how many classes do not come before the true one: a NaN beats none, so it counts as wrong
    local after = pred:lt(own) + pred:eq(own) * index:ge(y)
    local right = after:sum(2):gt(pred:shape(2) - self.k)
    counts.sum(self, "right", element.sum(right, missing), n)
  end,
  value = function(self)
    return counts.mean(self, "right")
  end,
}
