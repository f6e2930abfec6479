--- Binary cross-entropy of logits. One output a question, target 0 or 1 (a probability is fine; NaN: no label), or one
-- of two classes.
--
--   pos_weight  1  above 1 a missed yes costs more: the share of no over the share of yes balances them
--
-- @formula the mean of -(p y log s + (1 - y) log(1 - s)), s = sigmoid(x), p = pos_weight
-- @when it is yes or no
-- @sample mtl.tensor { { 2 }, { -1 } }, mtl.tensor { 1, 1 }
local loss = require "mtl.loss"
local core = require "mtl.core"
local element = require "mtl.element"
local fits = require "mtl.fits"

return loss.define {
  name = "binary_cross_entropy",
  params = { pos_weight = { default = 1, type = "number", above = 0 } },
  form = "classification",
  fits = fits.binary,
  compute = function(self, pred, target)
    local x, y, missing, n = element.binary(pred, target)
    return element.mean(core.bce_logits(x, y, self.pos_weight), missing, n), n
  end,
}
