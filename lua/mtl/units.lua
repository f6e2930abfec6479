--- Numbers in a target's own units.
local units = {}

local by_loss = {
  poisson = function(pred) return pred:exp() end,
  kl_div = function(pred) return pred:softmax(2) end,
}

--- A head's output as numbers that are like the targets, where its loss takes it for something else: the logarithm of
-- a rate, logits of a distribution. That is what KPIs, metrics and people see.
function units.like_target(loss, pred)
  local read = by_loss[loss]
  return read and read(pred) or pred
end

--- Undoes what the data set did to a number (description.own): x * scale + shift, then exp of a logarithm.
function units.own(description, x)
  local own = description.own
  if not own then
    return x
  end
  x = x * own.scale + own.shift
  return own.log and x:exp() or x
end

return units
