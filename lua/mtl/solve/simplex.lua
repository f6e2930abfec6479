--- Problems over the simplex, w >= 0 and sum w = 1, on a Gramian G: shortest and conflict averse combinations.
local gramian = require "mtl.gramian"
local nonnegative = require "mtl.solve.nonnegative"

local simplex = {}

-- Of two: where the line between them comes nearest to 0.
local function shortest_of_two(g)
  local first, second = g[2][2] - g[1][2], g[1][1] - g[1][2]
  if first <= 0 and second <= 0 then -- the same gradient twice
    return { 0.5, 0.5 }, { 1, 2 }
  elseif first <= 0 then
    return { 0, 1 }, { 2 }
  elseif second <= 0 then
    return { 1, 0 }, { 1 }
  end
  return { first / (first + second), second / (first + second) }, { 1, 2 }
end

--- The shortest combination: min w'Gw. Solved as min x'(G + m 11')x / 2 - m 1'x with x >= 0, whose solution is w times
-- a number, for any m > 0. Gradients of length 0 share the weight.
-- @param start places to begin with (optional)
-- @return w, the places where it is above 0
function simplex.shortest(g, start)
  local n, zeros, m, largest = #g, {}, math.huge, 0
  if n == 2 then
    return shortest_of_two(g)
  end
  for i = 1, n do
    m, largest = math.min(m, g[i][i]), math.max(largest, g[i][i])
  end
  for i = 1, n do
    zeros[#zeros + 1] = g[i][i] <= largest * 1e-30 and i or nil
  end
  if #zeros > 0 then
    local w = gramian.fill(n, 0)
    for _, i in ipairs(zeros) do
      w[i] = 1 / #zeros
    end
    return w, zeros
  end
  local a = {}
  for i = 1, n do
    a[i] = {}
    for j = 1, n do
      a[i][j] = g[i][j] / m + 1
    end
  end
  local x, support = nonnegative(a, gramian.fill(n, 1), start)
  local sum = 0
  for i = 1, n do
    sum = sum + x[i]
  end
  return gramian.scaled(x, 1 / sum), support
end

--- The point of the simplex nearest to v: max(v - theta, 0) with sum 1 (Held, Wolfe & Crowder 1974).
function simplex.project(v)
  local sorted, sum, theta = { table.unpack(v) }, 0, 0
  table.sort(sorted, function(a, b)
    return a > b
  end)
  for k, x in ipairs(sorted) do
    sum = sum + x
    theta = x > (sum - 1) / k and (sum - 1) / k or theta
  end
  local w = {}
  for i, x in ipairs(v) do
    w[i] = math.max(x - theta, 0)
  end
  return w
end

-- The minimum for a given length tau of g_w: that of b'w + k w'Gw / (2 tau), the shortest of g_i + (tau / c|g_0|) g_0.
local function at_length(g, b, square, c, tau, start)
  local n, s, shifted = #g, tau / (c * math.sqrt(square)), {}
  for i = 1, n do
    shifted[i] = {}
    for j = 1, n do
      shifted[i][j] = g[i][j] + s * (b[i] + b[j]) + s * s * square
    end
    shifted[i][i] = math.max(shifted[i][i], 0)
  end
  local w, support = simplex.shortest(shifted, start)
  return w, support, math.sqrt(gramian.square(g, w)) - tau
end

-- Of two, with k = c |g_0|: g_w = g_2 + w d, d = g_1 - g_2, is s long along d and m across it, so the slope is 0 where
-- (b_1 - b_2) / |d| + k s / sqrt(m^2 + s^2) = 0.
local function averse_of_two(g, b, k)
  local first, second = g[2][2] - g[1][2], g[1][1] - g[1][2]
  local square = first + second -- |d|^2
  if square <= 0 then -- the same gradient twice
    return { 0.5, 0.5 }
  end
  local m = math.sqrt(math.max(g[1][1] * g[2][2] - g[1][2] ^ 2, 0) / square)
  local r = (b[2] - b[1]) / (k * math.sqrt(square))
  local w = r >= 1 and 1 or r <= -1 and 0
    or (first + m * r / math.sqrt(1 - r * r) * math.sqrt(square)) / square
  w = math.min(math.max(w, 0), 1)
  return { w, 1 - w }
end

--- CAGrad's problem: min g_w'g_0 + c |g_0| |g_w|, g_0 the mean, g_w = sum w g. With |g_w| = min over tau of
-- (|g_w|^2 / tau + tau) / 2 it is a shortest combination for each tau; the tau that is |g_w| itself is a root in one
-- dimension, found by the Illinois method.
function simplex.averse(g, c)
  local n, largest = #g, 0
  local b = gramian.times(g, gramian.fill(n, 1 / n))
  local square = gramian.dot(b, gramian.fill(n, 1 / n))
  for i = 1, n do
    largest = math.max(largest, g[i][i])
  end
  if c <= 0 or square <= largest * 1e-30 then -- nothing to add to g_0, or g_0 = 0
    return gramian.fill(n, 1 / n)
  elseif n == 2 then
    return averse_of_two(g, b, c * math.sqrt(square))
  end
  local w, support, low, high, f_low, f_high
  low, high = 0, math.sqrt(largest) * (1 + 1e-9)
  w, support, f_low = at_length(g, b, square, c, low)
  if f_low <= 1e-12 * high then
    low = 1e-12 * high
    local v, s, f = at_length(g, b, square, c, low, support)
    if f <= 0 then -- g_w = 0 is the minimum
      return w
    end
    w, support, f_low = v, s, f
  end
  f_high = -high
  for _ = 1, 100 do
    local tau = (low * f_high - high * f_low) / (f_high - f_low)
    if not (tau > low and tau < high) then
      tau = (low + high) / 2
    end
    local f
    w, support, f = at_length(g, b, square, c, tau, support)
    if math.abs(f) <= 1e-13 * tau or high - low <= 2e-16 * high then
      break
    elseif f > 0 then
      low, f_low, f_high = tau, f, f_high / 2
    else
      high, f_high, f_low = tau, f, f_low / 2
    end
  end
  return w
end

return simplex
