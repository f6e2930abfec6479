--- A loss of one's own: a function of a batch that returns a tensor of one number, and how many elements had a label.
-- No second result: the batch's rows; 0 leaves the task out of the step.
--
--   compute_with                    function(pred, target) returning a scalar tensor [, remains]
--   negative      false             true: it may be below 0; weightings that need positive losses then refuse it
--   form          "classification"  what uncertainty weighting takes it for, or "squared" or "absolute"
--
-- @formula what the function computes
-- @when none of the others says what you are after
-- @usage loss.custom(function(pred, target) return (pred - target):abs():square():mean() end)
-- @sample mtl.tensor { 1, 5 }, mtl.tensor { 1, 2 }
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
