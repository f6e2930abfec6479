--- Root of the mean squared error, in the target's units; outliers weigh more than in abs_error.
--
--   positive  false  true: targets of 0 or below are missing too (depths)
--
-- @formula sqrt(Σ (x - y)² / n)
-- @when a regression's error is to be read in the target's own units, and large ones matter most
-- @sample mtl.tensor { 1.5, 5 }, mtl.tensor { 1, 2 }
local metric = require "mtl.metric"
local counts = require "mtl.counts"
local element = require "mtl.element"

return metric.define {
  name = "rmse",
  params = { positive = { default = false, type = "boolean" } },
  update = function(self, pred, target)
    local x, y, missing, n = element.numbers(pred, self.positive and element.positive(target) or target)
    counts.sum(self, "sum", element.sum((x - y):square(), missing), n)
  end,
  value = function(self)
    local mean = counts.mean(self, "sum")
    return mean and math.sqrt(mean) or nil
  end,
}
