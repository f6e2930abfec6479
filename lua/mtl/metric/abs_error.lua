--- Mean absolute error, in the target's units.
--
--   positive  false  true: targets of 0 or below are missing too, as unknown depths are
--
-- @formula Σ |x - y| / n
-- @when a regression's error is to be read in the target's own units
-- @sample mtl.tensor { 1.5, 5 }, mtl.tensor { 1, 2 }
local metric = require "mtl.metric"
local counts = require "mtl.counts"
local element = require "mtl.element"

return metric.define {
  name = "abs_error",
  params = { positive = { default = false, type = "boolean" } },
  update = function(self, pred, target)
    local x, y, missing, n = element.numbers(pred, self.positive and element.positive(target) or target)
    counts.sum(self, "sum", element.sum((x - y):abs(), missing), n)
  end,
}
