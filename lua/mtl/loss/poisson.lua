--- Poisson negative log-likelihood, the head giving the logarithm of the rate. Without the term log(y!), which no
-- parameter changes (PyTorch's poisson_nll_loss with log_input = true, full = false), so it may be below 0. Targets
-- are at least 0.
--
-- @formula the mean over the labelled elements of exp(x) - y x
-- @when targets are counts: visits, events, cells
-- @sample mtl.tensor { 0, 1 }, mtl.tensor { 1, 3 }
local loss = require "mtl.loss"
local element = require "mtl.element"
local fits = require "mtl.fits"

return loss.define {
  name = "poisson",
  form = "classification",
  negative = true,
  fits = fits.numbers,
  compute = function(_, pred, target)
    local x, y, missing, n = element.numbers(pred, target)
    local _, _, least = target:survey()
    if n > 0 and least < 0 then
      error(("loss.poisson: a target is %g, which should be a count of at least 0"):format(least), 0)
    end
    return element.mean(x:exp() - y * x, missing, n), n
  end,
}
