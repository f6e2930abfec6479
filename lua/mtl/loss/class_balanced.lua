--- Class-balanced cross-entropy (Cui et al., CVPR 2019): each element weighs by the effective number of examples of its
-- class. A class that training never shows weighs as much as the rarest one.
--
--   beta    0.9999  0: no weights; towards 1: inverse frequency. 1 / (1 - beta) is about how many examples of a class
--                   still add something
--   gamma   0       above 0: times (1 - p)^gamma, as the focal loss
--   counts          labels by class; default: those of the training labels (of what stays on disk, by a sample)
--   ignore  -1      a class without a label, beside -1
--
-- @formula the mean over the labelled elements of -w_y (1 - p)^γ log p, p = softmax(x) at y;
-- w_c in proportion to (1 - β) / (1 - β^n_c), n_c the labels of class c, Σ w = the number of classes
-- @when classes are of unequal size (a long tail)
-- @usage loss.class_balanced { counts = { 900, 100 }, beta = 0.99 }
-- @sample mtl.tensor { { 2, 1 }, { 2, 1 } }, mtl.tensor({ 0, 1 }, "int32")
local loss = require "mtl.loss"
local element = require "mtl.element"
local fits = require "mtl.fits"

local chunk = 1 << 20 -- labels that are read at a time

-- Labels by class, the first for class 0.
local function count(target, ignore)
  local counts, n = {}, target:count()
  target = target:reshape(-1)
  for first = 1, n, chunk do
    for _, class in ipairs(target:slice(1, first, math.min(n, first + chunk - 1)):totable()) do
      if class >= 0 and class ~= ignore then
        counts[class + 1] = (counts[class + 1] or 0) + 1
      end
    end
  end
  return counts
end

local function weights(counts, beta, classes)
  local w, most, sum = {}, 0, 0
  for i = 1, classes do
    local n = counts[i] or 0
    w[i] = n > 0 and (1 - beta) / (1 - beta ^ n) or 0
    most = math.max(most, w[i])
  end
  for i = 1, classes do
    w[i] = w[i] > 0 and w[i] or most
    sum = sum + w[i]
  end
  for i = 1, classes do
    w[i] = sum > 0 and w[i] * classes / sum or 1
  end
  return w
end

return loss.define {
  name = "class_balanced",
  paper = "Cui et al., Class-balanced loss based on effective number of samples, CVPR 2019",
  params = {
    beta = { default = 0.9999, type = "number", least = 0, below = 1 },
    gamma = { default = 0, type = "number", least = 0 },
    counts = { type = "numbers", least = 0 },
    ignore = { default = -1, type = "integer", least = -2 ^ 31, below = 2 ^ 31 },
  },
  form = "classification",
  fits = function(self, out, target)
    local wrong = fits.classes(self, out, target)
    if not wrong and self.counts and #self.counts ~= target.classes then
      wrong = ("counts has %d numbers, but the target has %d classes"):format(#self.counts, target.classes)
    end
    return wrong
  end,
  --- Shows it all training labels, once. @param target int32 @param times how many labels each of them stands for
  fit = function(self, target, times)
    self.counted = not self.counts and count(target, self.ignore) or nil
    for class, n in pairs(self.counted or {}) do
      self.counted[class] = n * (times or 1)
    end
  end,
  compute = function(self, pred, target)
    local counts, classes = self.counts or self.counted, pred:shape(2)
    if not counts then
      error("loss.class_balanced: it has not seen the training labels; give counts, one number a class", 0)
    end
    local log_p, y, missing, n = element.true_class(pred, target, self.ignore)
    local e = element.focal(-log_p, log_p:exp(), self.gamma)
    local weight = element.constants(weights(counts, self.beta, classes), pred)
    return element.mean(e * weight:take(1, y:reshape(-1)):reshape(y:shape()), missing, n), n
  end,
}
