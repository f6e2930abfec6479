--- Mean absolute error, |pred - target|, in the target's units.
local metric = require "mtl.metric"
local element = require "mtl.element"

return metric.define {
  name = "abs_error",
  update = function(self, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    self.sum, self.n = self.sum + element.sum((x - y):abs(), missing), self.n + n
  end,
}
