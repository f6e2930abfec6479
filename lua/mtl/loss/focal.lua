--- Focal loss (Lin et al., ICCV 2017): what is already right fades. It is smaller than a cross-entropy, so its learning
-- rate may be larger.
--
--   gamma   2     how much what is already right fades; 0: cross-entropy
--   alpha   0.25  yes or no (one output, sigmoid): weight of yes, 1 - alpha of no. Several classes (softmax): a list of
--                 one weight a class; default: none
--   ignore  -1    a class without a label, beside -1; of several classes only
--
-- @formula the mean over the labelled elements of -α (1 - p)^γ log p, p the probability of the truth
-- @when there are many easy examples and few hard ones, as a rare class in images; where classes are merely of unequal
-- size, see class_balanced
-- @sample mtl.tensor { { 2 }, { -1 } }, mtl.tensor { 1, 1 }
local loss = require "mtl.loss"
local core = require "mtl.core"
local element = require "mtl.element"
local fits = require "mtl.fits"

local function wrong_alpha(alpha)
  if type(alpha) == "number" and alpha > 1 then
    return ("alpha is %g; a number is the weight of yes, from 0 to 1"):format(alpha)
  end
end

return loss.define {
  name = "focal",
  paper = "Lin et al., Focal loss for dense object detection, ICCV 2017",
  params = {
    gamma = { default = 2, type = "number", least = 0 },
    alpha = { type = "number or numbers", least = 0, check = wrong_alpha },
    ignore = { default = -1, type = "integer", least = -2 ^ 31, below = 2 ^ 31 },
  },
  form = "classification",
  fits = function(self, out, target)
    local wrong = fits.any_class(self, out, target)
    if wrong or not self.alpha then
      return wrong
    end
    local classes = target.kind == "class" and out[1] > 1 and target.classes
    if classes and (type(self.alpha) == "number" or #self.alpha ~= classes) then
      return ("alpha should be a list of %d weights, one a class"):format(classes)
    elseif not classes and type(self.alpha) ~= "number" then
      return "alpha should be one number from 0 to 1, the weight of yes"
    end
  end,
  compute = function(self, pred, target)
    if element.several(pred, target) then
      local log_p, y, missing, n = element.true_class(pred, target, self.ignore)
      local e = element.focal(-log_p, log_p:exp(), self.gamma)
      if self.alpha then
        local weight = element.constants(self.alpha, pred)
        e = e * weight:take(1, y:reshape(-1)):reshape(y:shape())
      end
      return element.mean(e, missing, n), n
    end
    local x, y, missing, n = element.binary(pred, target)
    local s, alpha = x:sigmoid(), self.alpha or 0.25
    local e = element.focal(core.bce_logits(x, y), s * y + (1 - s) * (1 - y), self.gamma)
    return element.mean(e * (y * (2 * alpha - 1) + (1 - alpha)), missing, n), n
  end,
}
