--- Mean relative error, over the targets that are not 0.
--
--   positive  false  true: only over targets above 0 (depths)
--
-- @formula Σ |x - y| / |y| / n over the n targets that are not 0
-- @when an error counts in proportion to the target, as of depths
-- @sample mtl.tensor { 1.5, 5 }, mtl.tensor { 1, 2 }
local metric = require "mtl.metric"
local counts = require "mtl.counts"
local core = require "mtl.core"
local element = require "mtl.element"

return metric.define {
  name = "rel_error",
  paper = "Eigen et al., Depth map prediction from a single image using a multi-scale deep network, NeurIPS 2014",
  params = { positive = { default = false, type = "boolean" } },
  update = function(self, pred, target)
    local x, y = element.numbers(pred, self.positive and element.positive(target) or target)
    local zero = y:eq(0) -- also what is missing
    local e = (x - y):abs() / core.where(zero, 1, y:abs())
    local count = y:count()
    counts.add(self, function(own, read)
      own.sum, own.n = own.sum + read[1], own.n + count - read[2]
    end, element.sum(e, zero), zero:sum())
  end,
}
