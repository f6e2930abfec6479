--- A general and adaptive robust loss (Barron, CVPR 2019). The smaller alpha, the less far-off targets count: 1 is
-- Charbonnier's smooth |e|, 0 Cauchy's, -2 Geman and McClure's.
--
--   alpha  1      the shape; where it is learned, what to start from
--   scale  1      the error about which targets begin to count as far off; where it is learned, what to start from
--   learn  false  true: one shape, within 0.001 and 1.999, and one scale are learned for the task. The loss is then the
--                 negative log-likelihood, which may be below 0
--
-- @formula the mean of b / α ((e² / b + 1)^(α / 2) - 1), e = (x - y) / scale, b = |α - 2|;
-- e² / 2 where α = 2, log(e² / 2 + 1) where α = 0;
-- with `learn` + log scale + log Z(α), Z(α) = ∫ exp(-ρ(e)) de, ρ the line above
-- @when there are outliers of unknown number and size (learn = true), or for something between mse and l1
-- @sample mtl.tensor { 1, 5 }, mtl.tensor { 1, 2 }
local loss = require "mtl.loss"
local core = require "mtl.core"
local element = require "mtl.element"
local fits = require "mtl.fits"

local LOW, HIGH, LEAST_SCALE = 0.001, 1.999, 1e-5
local one = math.log(math.exp(1) - 1) -- softplus(one) = 1

-- log Z(alpha), Z the integral of exp(-rho(x, alpha, 1)) over x: a Chebyshev series in u = log((2 - alpha) / (alpha +
-- 0.1)), from quadrature with 20 digits; the error is below 4e-7.
local U_LOW, U_HIGH = math.log((2 - LOW) / (LOW + 0.1)), math.log((2 - HIGH) / (HIGH + 0.1)) -- falling
local Z = { 1.12120547, -0.290508194, 0.0969716942, 0.00352592015, -0.0140909902, 0.00270972055, 0.00145214378,
  -0.000706341546, -2.07536013e-05, 6.77013591e-05, 3.42480646e-06, -1.1959427e-05, 2.01183313e-06, 4.34810353e-07,
  4.35562333e-07, -5.51021057e-07, 2.04697872e-07 }

local function log_partition(alpha)
  local u = ((2 - alpha) / (alpha + 0.1)):log()
  local t = (2 * u - (U_LOW + U_HIGH)) / (U_HIGH - U_LOW)
  local a, b = 0, 0 -- Clenshaw
  for i = #Z, 2, -1 do
    a, b = 2 * t * a - b + Z[i], a
  end
  return t * a - b + Z[1]
end

-- rho of the squares of e; alpha a number or a tensor of one. With y = alpha / 2 log(e^2 / b + 1) it holds
-- exp(y) - 1, which as exp(y) (1 - exp(-y)) = exp(y) 2 t / (1 + t), t = tanh(y / 2), is exact for small y too.
local function general(square, alpha)
  if alpha == 2 then
    return square * 0.5
  elseif alpha == 0 then
    return (square * 0.5 + 1):log()
  end
  local fixed = type(alpha) == "number"
  local b = fixed and math.abs(alpha - 2) or 2 - alpha
  local y = (square / b + 1):log() * (alpha * 0.5)
  local t = (y * 0.5):abs():tanh()
  local fall = 2 * t / (1 + t) -- 1 - exp(-|y|)
  if fixed and alpha < 0 then
    return fall * (b / -alpha)
  end
  return y:exp() * fall * (b / alpha)
end

return loss.define {
  name = "adaptive_robust",
  paper = "Barron, A general and adaptive robust loss function, CVPR 2019",
  params = {
    alpha = { default = 1, type = "number" },
    scale = { default = 1, type = "number", above = 0 },
    learn = { default = false, type = "boolean" },
  },
  form = "squared",
  derive = function(self)
    self.negative = self.learn
    if self.learn and not (self.alpha > LOW and self.alpha < HIGH) then
      return ("alpha is %g, which should be between %g and %g where it is learned"):format(self.alpha, LOW, HIGH)
    elseif self.learn and self.scale <= LEAST_SCALE then
      return ("scale is %g, which should be above %g where it is learned"):format(self.scale, LEAST_SCALE)
    end
  end,
  fits = fits.numbers,
  learned = function(self)
    local share = (self.alpha - LOW) / (HIGH - LOW)
    return self.learn and { { name = "alpha", value = math.log(share / (1 - share)), shape = { 1 } },
      { name = "scale", value = 0, shape = { 1 } } } or nil
  end,
  --- Shape and scale that the slots stand for: tensors of one number.
  values = function(self, slots)
    return slots[1]:sigmoid() * (HIGH - LOW) + LOW,
      core.bce_logits(slots[2] + one, slots[2]:detach() * 0) * (self.scale - LEAST_SCALE) + LEAST_SCALE -- softplus
  end,
  compute = function(self, pred, target, slots)
    local x, y, missing, n = element.numbers(pred, target)
    if not self.learn or n == 0 then
      return element.mean(general(((x - y) / self.scale):square(), self.alpha), missing, n), n
    end
    if not slots then
      local learned = self:learned()
      slots = {}
      for i = 1, 2 do
        slots[i] = core.full({ 1 }, learned[i].value):to(pred:device())
      end
    end
    local alpha, scale = self:values(slots)
    local rho = general(((x - y) / scale):square(), alpha)
    return element.mean(rho, missing, n) + (scale:log() + log_partition(alpha)):reshape {}, n
  end,
}
