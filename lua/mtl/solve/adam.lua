--- Adam on a plain number, as PyTorch's: what policies learn by themselves. A number is a table { x =, m =, v =, t = }
-- (value, moments, steps), so that each has a count of its own and lies in a checkpoint as it is.
local adam = {}

function adam.new(x)
  return { x = x, m = 0, v = 0, t = 0 }
end

--- One step down the gradient g. @param decay L2 weight decay, added to the gradient (default 0)
function adam.step(number, g, lr, decay)
  g = g + (decay or 0) * number.x
  number.t = number.t + 1
  number.m = 0.9 * number.m + 0.1 * g
  number.v = 0.999 * number.v + 0.001 * g * g
  local m, v = number.m / (1 - 0.9 ^ number.t), number.v / (1 - 0.999 ^ number.t)
  number.x = number.x - lr * m / (math.sqrt(v) + 1e-8)
end

return adam
