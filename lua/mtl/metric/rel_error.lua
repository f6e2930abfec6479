--- Mean relative error, |pred - target| / |target|, over the targets that are not 0; `positive = true`: that are above
-- 0 (depths).
local metric = require "mtl.metric"
local core = require "mtl.core"
local element = require "mtl.element"

return metric.define {
  name = "rel_error",
  params = { positive = { default = false, type = "boolean" } },
  update = function(self, pred, target)
    local x, y = element.numbers(pred, self.positive and element.positive(target) or target)
    local zero = y:eq(0) -- also what is missing
    local e = (x - y):abs() / core.where(zero, 1, y:abs())
    self.sum, self.n = self.sum + element.sum(e, zero), self.n + y:count() - zero:sum():item()
  end,
}
