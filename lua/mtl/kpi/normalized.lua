--- An error made a score in [0, 1]. Give one of `baseline` and `scale`.
--
--   baseline              the error of a simple guess, as the training mean: 1 - error / baseline, 0 where it is worse
--   scale                 exp(-error / scale)
--   error     "absolute"  the mean of |x - y|; "squared": its mean square; "rmse": the root of that
--
-- @formula max(0, 1 - e / baseline) or exp(-e / scale), e = Σ |x - y| / n, Σ (x - y)² / n or the root of that
-- @soft the same formula on the batch
-- @when r2 does not suit a regression: other errors, or targets that vary little
-- @usage kpi.normalized { scale = 1 }
-- @sample mtl.tensor { 1, 3 }, mtl.tensor { 1, 2 }
local kpi = require "mtl.kpi"
local counts = require "mtl.counts"
local element = require "mtl.element"
local fits = require "mtl.fits"

return kpi.define {
  name = "normalized",
  params = {
    baseline = { type = "number", above = 0 },
    scale = { type = "number", above = 0 },
    error = { default = "absolute", choices = { "absolute", "squared", "rmse" } },
  },
  derive = function(self)
    if (self.baseline == nil) == (self.scale == nil) then
      return "give one of baseline (1 - error / baseline) and scale (exp(-error / scale))"
    end
  end,
  fits = fits.numbers,
  reset = function(self)
    self.counts = { sum = 0, n = 0 }
  end,
  update = function(self, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    local d = x - y
    counts.sum(self, "sum", element.sum(self.error == "absolute" and d:abs() or d:square(), missing), n)
  end,
  value = function(self)
    local e = counts.mean(self, "sum")
    if not e then
      return nil
    end
    e = self.error == "rmse" and math.sqrt(e) or e
    return self.scale and math.exp(-e / self.scale) or math.max(0, 1 - e / self.baseline)
  end,
  soft = function(self, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    if n == 0 then
      return nil
    end
    local d = x - y
    local e = element.mean(self.error == "absolute" and d:abs() or d:square(), missing, n)
    e = self.error == "rmse" and (e + 1e-12):sqrt() or e
    return self.scale and (e / -self.scale):exp() or (1 - e / self.baseline):clamp(0, 1)
  end,
}
