--- What KPIs of classes share: by class, how many elements were rightly predicted (TP), predicted (TP + FP) and actual
-- (TP + FN), over all that was seen; and soft counts of one batch. Yes or no are two classes, no the first.
local core = require "mtl.core"
local counts = require "mtl.counts"
local element = require "mtl.element"

local confusion = {}

-- Classes as [elements, classes] of 0 and 1; unlike one_hot, it need not look at them first, which a device waits for.
local function by_class(y, classes)
  return y:reshape(-1, 1):eq(core.arange(classes, "int32"):to(y:device()):reshape(1, classes))
end

local function both(yes)
  return core.cat({ 1 - yes, yes }, 2)
end

-- [elements, classes] of predictions and of targets, both 0 where there is no label; how many have one.
local function columns(pred, target, ignore, probabilities)
  if element.several(pred, target) then
    local y, missing, n = element.classes(target, ignore)
    local classes, present = pred:shape(2), nil
    local _, _, _, greatest = y:survey() -- of ignored classes, which may be any number, it has 0
    if greatest >= classes then
      error(("a target of class %d for predictions of %d classes, 0 to %d"):format(greatest, classes, classes - 1), 0)
    end
    if missing then
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
      x = by_class(pred:argmax(2), classes)
    end
    y = by_class(y, classes)
    return present and x * present or x, present and y * present or y, n
  end
  local x, y, missing, n = element.binary(pred, target)
  x, y = x:reshape(-1, 1), y:reshape(-1, 1)
  x, y = both(probabilities and x:sigmoid() or x:gt(0)), both(y:gt(0.5))
  local present = missing and (1 - missing):reshape(-1, 1)
  return present and x * present or x, present and y * present or y, n
end

local function add(list, i, x)
  list[i] = (list[i] or 0) + x
end

function confusion.reset(self)
  self.counts = { right = {}, predicted = {}, actual = {}, yes_no = false }
end

function confusion.update(self, pred, target)
  local guess, truth = columns(pred, target, self.ignore, false)
  local classes = guess:shape(2)
  self.counts.yes_no = not element.several(pred, target)
  counts.add(self, function(own, x)
    for class = 1, classes do
      add(own.right, class, x[class])
      add(own.predicted, class, x[classes + class])
      add(own.actual, class, x[2 * classes + class])
    end
  end, (guess * truth):sum(1), guess:sum(1), truth:sum(1))
end

function confusion.merge(self, other)
  local own, its = counts.of(self), counts.of(other)
  for class, actual in pairs(its.actual) do
    add(own.right, class, its.right[class])
    add(own.predicted, class, its.predicted[class])
    add(own.actual, class, actual)
  end
  own.yes_no = own.yes_no or its.yes_no
end

--- Mean of `f(right, predicted, actual)` over the classes that occur among the targets; nil where none does.
function confusion.mean(self, f)
  local own, sum, n = counts.of(self), 0, 0
  for class, actual in ipairs(own.actual) do
    if actual > 0 then
      sum, n = sum + f(own.right[class], own.predicted[class], actual), n + 1
    end
  end
  return n > 0 and sum / n or nil
end

--- The same of a batch with probabilities in place of predictions: f takes tensors by class.
function confusion.soft_mean(self, pred, target, f)
  local p, y, n = columns(pred, target, self.ignore, true)
  if n == 0 then
    return nil
  end
  local actual = y:sum(1)
  local present = actual:gt(0)
  return (f((p * y):sum(1), p:sum(1), actual) * present):sum() / present:sum()
end

--- Matthews' correlation for any number of classes (R_k, Gorodkin 2004), in [-1, 1]: nil where the targets are all of
-- one class, 0 where the predictions are.
function confusion.matthews(self)
  local own, n, right, product, guesses, truths = counts.of(self), 0, 0, 0, 0, 0
  for class, actual in ipairs(own.actual) do
    local predicted = own.predicted[class]
    n, right, product = n + actual, right + own.right[class], product + predicted * actual
    guesses, truths = guesses + predicted * predicted, truths + actual * actual
  end
  local vary, differ = n * n - truths, n * n - guesses
  if vary <= 0 then
    return nil
  end
  return differ > 0 and (right * n - product) / math.sqrt(vary * differ) or 0
end

return confusion
