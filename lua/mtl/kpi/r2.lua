--- R squared: the share of the targets' variance that is explained, 0 where it is below. Over all labelled elements of
-- the task together. Undefined where the targets do not vary.
--
--   variance  of the soft form (default: that of the training targets, which the trainer shows it; by hand the batch's)
--
-- @formula max(0, 1 - Σ (x - y)² / Σ (y - ȳ)²), ȳ the mean of the targets
-- @soft exp(-MSE / variance)
-- @when it is regression: the usual score
-- @sample mtl.tensor { 1, 2, 4 }, mtl.tensor { 1, 2, 3 }
local kpi = require "mtl.kpi"
local element = require "mtl.element"

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

local function deviations(y, missing, n)
  -- about a rough mean (a float itself), so that single precision does not lose a small spread
  local rough = string.unpack("f", string.pack("f", element.sum(y, missing) / n))
  local d = y - rough
  local sum = element.sum(d, missing)
  return rough + sum / n, math.max(element.sum(d:square(), missing) - sum * sum / n, 0)
end

return kpi.define {
  name = "r2",
  params = { variance = { type = "number", above = 0 } },
  fits = element.fits_numbers,
  reset = function(self)
    self.counts = { n = 0, mean = 0, m2 = 0, errors = 0 }
  end,
  update = function(self, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    if n > 0 then
      local mean, m2 = deviations(y, missing, n)
      join(self.counts, { n = n, mean = mean, m2 = m2, errors = element.sum((x - y):square(), missing) })
    end
  end,
  merge = function(self, other)
    join(self.counts, other.counts)
  end,
  value = function(self)
    local c = self.counts
    return c.m2 > 0 and math.max(0, 1 - c.errors / c.m2) or nil
  end,
  fit = function(self, target)
    local _, y, missing, n = element.numbers(target, target)
    if n > 0 and not self.variance then
      local _, m2 = deviations(y, missing, n)
      self.variance = m2 / n
    end
  end,
  soft = function(self, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    local variance = self.variance
    if n > 0 and not variance then
      local _, m2 = deviations(y, missing, n)
      variance = m2 / n
    end
    if n == 0 or variance <= 0 then
      return nil
    end
    return (element.mean((x - y):square(), missing, n) / -variance):exp()
  end,
}
