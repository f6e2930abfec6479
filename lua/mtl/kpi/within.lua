--- The share of labelled elements that lie within a tolerance of the target.
--
--   tolerance                what is near enough; above 1 for a ratio
--   by         "difference"  "relative": to the size of the target; "ratio": for positive targets
--   softness                 of the soft form (default: a tenth of the tolerance; of its part above 1 for a ratio)
--
-- @formula Σ [e ≤ tolerance] / n, e = |x - y|, or relative |x - y| / |y|; by ratio Σ [e < tolerance] / n, e = max(x /
-- y, y / x), x and y taken to be at least 1e-6
-- @soft the mean of sigmoid((tolerance - e) / softness)
-- @when there is a known idea of what is good enough for a regression
-- @usage kpi.within(0.5)
-- @sample mtl.tensor { 1.25, 3 }, mtl.tensor { 1, 2 }
local kpi = require "mtl.kpi"
local counts = require "mtl.counts"
local element = require "mtl.element"
local fits = require "mtl.fits"

local tiny = 1e-6 -- a prediction of 0 or less is no ratio

local function error_of(self, x, y)
  if self.by == "ratio" then
    x, y = x:clamp(tiny), y:clamp(tiny)
    return (x / y):maximum(y / x)
  end
  local e = (x - y):abs()
  return self.by == "relative" and e / y:abs():clamp(1e-30) or e
end

return kpi.define {
  name = "within",
  positional = { "tolerance" },
  params = {
    tolerance = { required = true, type = "number", above = 0 },
    by = { default = "difference", choices = { "difference", "relative", "ratio" } },
    softness = { type = "number", above = 0 },
  },
  derive = function(self)
    return self.by == "ratio" and self.tolerance <= 1 and "tolerance of a ratio should be above 1, as 1.25" or nil
  end,
  fits = fits.numbers,
  reset = function(self)
    self.counts = { right = 0, n = 0 }
  end,
  update = function(self, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    local e = error_of(self, x, y)
    local right = self.by == "ratio" and e:lt(self.tolerance) or e:le(self.tolerance)
    counts.sum(self, "right", element.sum(right, missing), n)
  end,
  value = function(self)
    return counts.mean(self, "right")
  end,
  soft = function(self, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    local s = self.softness or (self.by == "ratio" and self.tolerance - 1 or self.tolerance) / 10
    return n > 0 and element.mean(((self.tolerance - error_of(self, x, y)) / s):sigmoid(), missing, n) or nil
  end,
}
