--- Losses. A loss is declared in a recipe and computed by the trainer: `compute(self, pred, target [, slots]) -> scalar
-- tensor, remains`: the mean over the elements that have a label, and how many (or how much weight) those are; 0 of
-- them: the value is 0. `pred` is what the head gives (logits, not probabilities). A definition also has `fits(self,
-- out_shape, target) -> nil or what is wrong`, `negative` (true: it may be below 0) and `form`: what uncertainty
-- weighting takes it for ("classification", "squared", "absolute"). It may have `fit(self, target, times)`: the trainer
-- shows each instance all training targets once, before the first step, or of what stays on the disk a sample, in which
-- each stands for `times`; and `learned(self) -> { { name =, value =, shape = },
-- ... } or nil`: numbers of its own that are learned with the model, which compute gets as `slots`, a list of tensors.
local declare = require "mtl.declare"

local methods = { negative = false, form = "classification" }

function methods.fits()
  return nil
end

return declare.family("loss", { methods = methods })
