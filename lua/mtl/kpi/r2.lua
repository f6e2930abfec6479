--- R squared: the share of the targets' variance that is explained, 0 where it is below. Over all labelled elements of
-- the task together. Undefined where the targets do not vary.
--
--   variance  of the soft form (default: that of the training targets, which the trainer shows it; by hand the batch's)
--
-- @formula max(0, 1 - Σ (x - y)² / Σ (y - ȳ)²), ȳ the mean of the targets
-- @soft of a batch exp(-MSE / variance)
-- @when it is regression: the usual score
-- @sample mtl.tensor { 1, 2, 4 }, mtl.tensor { 1, 2, 3 }
local kpi = require "mtl.kpi"
local counts = require "mtl.counts"
local element = require "mtl.element"
local fits = require "mtl.fits"

-- Count, mean and squared deviations of `a` with those of `b` (Chan et al. 1979).
local function join(a, b)
  local n = a.n + b.n
  if n > 0 then
    local delta = b.mean - a.mean
    a.m2 = a.m2 + b.m2 + delta * delta * a.n * b.n / n
    a.mean = a.mean + delta * b.n / n
    a.n, a.errors = n, a.errors + b.errors
  end
end

-- Of the targets three tensors: a rough mean, and the sums of what deviates from it and of its squares: about 0 single
-- precision would lose a small spread.
local function deviations(y, missing, n)
  local rough = element.mean(y, missing, n)
  local d = y - rough
  return rough, element.sum(d, missing), element.sum(d:square(), missing)
end

-- Mean and squared deviations from the numbers of those.
local function moments(x, n)
  return x[1] + x[2] / n, math.max(x[3] - x[2] * x[2] / n, 0)
end

local function variance_of(y, missing, n)
  local rough, sum, squares = deviations(y, missing, n)
  local _, m2 = moments({ rough:item(), sum:item(), squares:item() }, n)
  return m2 / n
end

return kpi.define {
  name = "r2",
  params = { variance = { type = "number", above = 0 } },
  fits = fits.numbers,
  reset = function(self)
    self.counts = { n = 0, mean = 0, m2 = 0, errors = 0 }
  end,
  update = function(self, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    if n > 0 then
      local rough, sum, squares = deviations(y, missing, n)
      counts.add(self, function(own, numbers)
        local mean, m2 = moments(numbers, n)
        join(own, { n = n, mean = mean, m2 = m2, errors = numbers[4] })
      end, rough, sum, squares, element.sum((x - y):square(), missing))
    end
  end,
  merge = function(self, other)
    join(counts.of(self), counts.of(other))
  end,
  value = function(self)
    local c = counts.of(self)
    return c.m2 > 0 and math.max(0, 1 - c.errors / c.m2) or nil
  end,
  fit = function(self, target)
    local _, y, missing, n = element.numbers(target, target)
    if n > 0 and not self.variance then
      self.variance = variance_of(y, missing, n)
    end
  end,
  soft = function(self, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    local variance = self.variance
    if n > 0 and not variance then
      variance = variance_of(y, missing, n)
    end
    if n == 0 or variance <= 0 then
      return nil
    end
    return (element.mean((x - y):square(), missing, n) / -variance):exp()
  end,
}
