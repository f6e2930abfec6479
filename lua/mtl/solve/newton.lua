--- The positive solution of G w = w^-p element by element, G positive definite: the minimum of w'Gw / 2 - sum psi(w),
-- psi' = w^-p, by a damped Newton method. p = 1 is the bargaining of Nash.
-- @return w, the largest relative residual
local cholesky = require "mtl.solve.cholesky"
local gramian = require "mtl.gramian"

-- x y as two doubles whose sum is exact (Dekker 1971).
local function product(x, y)
  local high = x * y
  local cx, cy = 134217729 * x, 134217729 * y
  local xh, yh = cx - (cx - x), cy - (cy - y)
  local xl, yl = x - xh, y - yh
  return high, xl * yl - (((high - xh * yh) - xl * yh) - xh * yl)
end

-- G w as if summed in twice the precision (Ogita, Rump & Oishi 2005): where G is near singular, the terms are a hundred
-- million times their sum.
local function times(g, w)
  local y = {}
  for i = 1, #g do
    local sum, rest = 0, 0
    for j = 1, #g do
      local high, low = product(g[i][j], w[j])
      local next_sum = sum + high
      local back = next_sum - sum
      rest = rest + low + ((sum - (next_sum - back)) + (high - back))
      sum = next_sum
    end
    y[i] = sum + rest
  end
  return y
end

local function value(g, w, p)
  local sum = gramian.dot(w, gramian.times(g, w)) / 2
  for i = 1, #w do
    sum = sum - (p == 1 and math.log(w[i]) or w[i] ^ (1 - p) / (1 - p))
  end
  return sum
end

-- The Newton step, and the square of its decrement.
local function newton_step(g, w, p, gw)
  local h, r = {}, {}
  for i = 1, #w do
    h[i] = { table.unpack(g[i]) }
    h[i][i] = h[i][i] + p * w[i] ^ (-p - 1)
    r[i] = w[i] ^ -p - gw[i]
  end
  local step = cholesky(h, r)
  return step, step and gramian.dot(step, r)
end

local function residual_of(w, p, gw)
  local most = 0
  for i = 1, #w do
    most = math.max(most, math.abs(gw[i] * w[i] ^ p - 1))
  end
  return most
end

-- The longest step of 1, 1/2, 1/4 ... that stays inside and goes down enough; near the minimum, where the decrement is
-- below the rounding of the value, one that halves the residual.
local function damped(g, w, p, step, decrement, residual)
  local length = 1
  for i = 1, #w do
    length = step[i] < 0 and math.min(length, -0.9 * w[i] / step[i]) or length
  end
  local start = value(g, w, p)
  local seen = decrement > 1e-15 * math.max(math.abs(start), 1)
  for _ = 1, seen and 60 or 4 do
    local to = {}
    for i = 1, #w do
      to[i] = w[i] + length * step[i]
    end
    if seen and value(g, to, p) <= start - 0.1 * length * decrement
      or residual_of(to, p, times(g, to)) <= residual / 2 then
      return to
    end
    length = length / 2
  end
end

return function(gram, p)
  local w, best, found, largest = {}, math.huge, {}, 0
  for i = 1, #gram do
    largest = math.max(largest, gram[i][i])
  end
  local root = 2.0 ^ math.floor(0.5 * math.log(largest > 0 and largest or 1, 2)) -- of two: rescaling rounds nothing
  local g = gramian.rescaled(gram, gramian.fill(#gram, 1 / root))
  for i = 1, #g do
    w[i] = g[i][i] ^ (-1 / (1 + p)) -- the solution of task i alone
  end
  for _ = 1, 200 do
    local gw = times(g, w)
    local residual = residual_of(w, p, gw)
    if residual < best then
      found, best = w, residual
    end
    local step, decrement = newton_step(g, w, p, gw)
    w = residual > 1e-14 and step and damped(g, w, p, step, decrement, residual)
    if not w then
      break
    end
  end
  return gramian.scaled(found, root ^ (-2 / (1 + p))), best
end
