--- A loss of one's own: loss.custom(function(pred, target) return scalar [, remains] end, { ... }).
-- `remains` is how many elements had a label (default: the batch's rows; 0 leaves the task out of the step).
-- negative = true says that it may be below 0: weightings that need positive losses then refuse it. `form` is what
-- uncertainty weighting takes it for: "classification" (default), "squared" or "absolute".
local core = require "mtl.core"
local loss = require "mtl.loss"

return loss.define {
  name = "custom",
  positional = { "compute_with" },
  params = {
    compute_with = { required = true, type = "function" },
    negative = { default = false, type = "boolean" },
    form = { default = "classification", choices = { "classification", "squared", "absolute" } },
  },
  compute = function(self, pred, target)
    local value, remains = self.compute_with(pred, target)
    if type(value) ~= "userdata" or value:count() ~= 1 then
      error("loss.custom: the function should return a tensor of one number (sum or mean it)", 0)
    end
    remains = remains or #target
    if type(remains) ~= "number" then
      error(("loss.custom: the function returned %s for how many elements remain, which should be a number"):format(
        core.type(remains) or type(remains)), 0)
    end
    return value, remains
  end,
}
