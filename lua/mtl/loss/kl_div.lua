--- Kullback-Leibler divergence of softmax(pred) from target probabilities. Classes lie along dimension 2; of [batch,
-- classes] it is PyTorch's "batchmean". A row with a NaN in its target is left out; one that does not sum to 1 is an
-- error.
--
-- @formula the mean over rows of Σ y (log y - log softmax(x)) over the classes
-- @when targets are distributions: several annotators' votes, the output of another model
-- @sample mtl.tensor { { 2, 1 } }, mtl.tensor { { 0.5, 0.5 } }
local loss = require "mtl.loss"
local element = require "mtl.element"
local fits = require "mtl.fits"

local function check(target) -- on the CPU
  local _, y, missing, n = element.vectors(target, target, 2)
  local off = element.sum((y:sum(2, true) - 1):abs():gt(0.01), missing):item()
  if off > 0 or y:min():item() < 0 then
    error(("loss.kl_div: %s, but the targets should be probabilities that sum to 1"):format(off > 0
      and ("%d of %d rows sum to something else"):format(off, n) or "one is below 0"), 0)
  end
end

return loss.define {
  name = "kl_div",
  paper = "Kullback & Leibler, On information and sufficiency, Annals of Mathematical Statistics 1951",
  form = "classification",
  fits = fits.vectors,
  compute = function(_, pred, target)
    local x, y, missing, n = element.vectors(pred, target, 2)
    check(target:host())
    local e = (y * (y:clamp(1e-38):log() - x:log_softmax(2))):sum(2, true)
    return element.mean(e:relu(), missing, n), n -- rounding may leave it just below 0
  end,
}
