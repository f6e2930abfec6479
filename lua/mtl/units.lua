--- Predictions and targets in one shape, and in the target's own units.
local units = {}

local function same(a, b)
  if #a ~= #b then
    return false
  end
  for i = 1, #a do
    if a[i] ~= b[i] then
      return false
    end
  end
  return true
end

--- A head with one output for each number of the target: [batch, 1] for [batch].
function units.match(pred, target)
  if target:dtype() == "float32" and pred:count() == target:count() then
    local shape = target:shape()
    return same(pred:shape(), shape) and pred or pred:reshape(shape)
  end
  return pred
end

--- The elements of a list at the given places.
function units.pick(list, places)
  local picked = {}
  for i, place in ipairs(places) do
    picked[i] = list[place]
  end
  return picked
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
