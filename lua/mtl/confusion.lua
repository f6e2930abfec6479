--- What KPIs of classes share: by class, how many elements were rightly predicted (TP), predicted (TP + FP) and actual
-- (TP + FN), over all that was seen; and soft counts of one batch. Yes or no are two classes, no the first.
local core = require "mtl.core"
local element = require "mtl.element"

local confusion = {}

local function both(yes)
  return core.cat({ 1 - yes, yes }, 2)
end

-- [elements, classes] of predictions by `guess(pred, classes)` and of targets; both 0 where there is no label.
local function columns(pred, target, ignore, probabilities)
  if element.several(pred, target) then
    local y, missing, n = element.classes(target, ignore)
    local classes, present = pred:shape(2), nil
    if n < y:count() then
      local shape = y:shape()
      table.insert(shape, 2, 1)
      pred, present = core.where(missing:reshape(shape), 0, pred), (1 - missing):reshape(-1, 1)
    end
    local x
    if probabilities then
      local order = { 1 }
      for i = 2, pred:rank() - 1 do
        order[i] = i + 1
      end
      order[#order + 1] = 2 -- classes last
      x = pred:softmax(2):permute(order):reshape(-1, classes)
    else
      x = pred:argmax(2):reshape(-1):one_hot(classes)
    end
    y = y:reshape(-1):one_hot(classes)
    return present and x * present or x, present and y * present or y
  end
  local x, y, missing = element.binary(pred, target)
  x, y = x:reshape(-1, 1), y:reshape(-1, 1)
  x, y = both(probabilities and x:sigmoid() or x:gt(0)), both(y:gt(0.5))
  local present = missing and (1 - missing):reshape(-1, 1)
  return present and x * present or x, present and y * present or y
end

local function add(list, i, x)
  list[i] = (list[i] or 0) + x
end

function confusion.reset(self)
  self.right, self.predicted, self.actual, self.yes_no = {}, {}, {}, false
end

function confusion.update(self, pred, target)
  local guess, truth = columns(pred, target, self.ignore, false)
  local right, predicted = (guess * truth):sum(1):totable(), guess:sum(1):totable()
  for class, actual in ipairs(truth:sum(1):totable()) do
    add(self.right, class, right[class])
    add(self.predicted, class, predicted[class])
    add(self.actual, class, actual)
  end
  self.yes_no = not element.several(pred, target)
end

function confusion.merge(self, other)
  for class, actual in pairs(other.actual) do
    add(self.right, class, other.right[class])
    add(self.predicted, class, other.predicted[class])
    add(self.actual, class, actual)
  end
  self.yes_no = self.yes_no or other.yes_no
end

--- Mean of `f(right, predicted, actual)` over the classes that occur among the targets; nil where none does.
function confusion.mean(self, f)
  local sum, n = 0, 0
  for class, actual in ipairs(self.actual) do
    if actual > 0 then
      sum, n = sum + f(self.right[class], self.predicted[class], actual), n + 1
    end
  end
  return n > 0 and sum / n or nil
end

--- The same of a batch with probabilities in place of predictions: f takes tensors by class.
function confusion.soft_mean(self, pred, target, f)
  local p, y = columns(pred, target, self.ignore, true)
  local actual = y:sum(1)
  local present = actual:gt(0)
  local n = present:sum():item()
  if n == 0 then
    return nil
  end
  return (f((p * y):sum(1), p:sum(1), actual) * present):sum() / n
end

--- Matthews' correlation for any number of classes (R_k, Gorodkin 2004), in [-1, 1]: nil where the targets are all of
-- one class, 0 where the predictions are.
function confusion.matthews(self)
  local n, right, product, guesses, truths = 0, 0, 0, 0, 0
  for class, actual in ipairs(self.actual) do
    local predicted = self.predicted[class]
    n, right, product = n + actual, right + self.right[class], product + predicted * actual
    guesses, truths = guesses + predicted * predicted, truths + actual * actual
  end
  local vary, differ = n * n - truths, n * n - guesses
  if vary <= 0 then
    return nil
  end
  return differ > 0 and (right * n - product) / math.sqrt(vary * differ) or 0
end

return confusion
