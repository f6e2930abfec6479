--- What the policies on Gramians share: G[i][j] = <g_i, g_j>, a T x T table of doubles.
local gramian = {}

--- The option that every policy on gradients has: the trainer keeps the weights for `every` steps.
gramian.every = { default = 1, type = "size" }

--- G x
function gramian.times(g, x)
  local y = {}
  for i = 1, #g do
    local sum = 0
    for j = 1, #g do
      sum = sum + g[i][j] * x[j]
    end
    y[i] = sum
  end
  return y
end

--- x'y
function gramian.dot(x, y)
  local sum = 0
  for i = 1, #x do
    sum = sum + x[i] * y[i]
  end
  return sum
end

--- Squared length of the sum of x[i] g_i: never below 0.
function gramian.square(g, x)
  return math.max(gramian.dot(x, gramian.times(g, x)), 0)
end

--- n times the same number.
function gramian.fill(n, value)
  local list = {}
  for i = 1, n do
    list[i] = value
  end
  return list
end

--- k x
function gramian.scaled(x, k)
  local y = {}
  for i = 1, #x do
    y[i] = k * x[i]
  end
  return y
end

--- The Gramian of the gradients d[i] g_i.
function gramian.rescaled(g, d)
  local r = {}
  for i = 1, #g do
    r[i] = {}
    for j = 1, #g do
      r[i][j] = g[i][j] * d[i] * d[j]
    end
  end
  return r
end

--- The Gramian of some of the gradients. @param list places
function gramian.part(g, list)
  local r = {}
  for a, i in ipairs(list) do
    r[a] = {}
    for b, j in ipairs(list) do
      r[a][b] = g[i][j]
    end
  end
  return r
end

--- Places of the gradients whose squared length is above `share` times the largest; none where all are 0.
function gramian.nonzero(g, share)
  local largest, list = 0, {}
  for i = 1, #g do
    largest = math.max(largest, g[i][i])
  end
  for i = 1, #g do
    if g[i][i] > 0 and g[i][i] >= share * largest then
      list[#list + 1] = i
    end
  end
  return list
end

--- For each task a random order of the others, from the policy's own stream.
function gramian.orders(policy, ctx, n)
  local u = n > 2 and policy:draws(ctx, n * n) or gramian.fill(n * n, 0)
  local orders = {}
  for i = 1, n do
    local order = {}
    for j = 1, n do
      order[#order + 1] = j ~= i and j or nil
    end
    table.sort(order, function(a, b)
      local x, y = u[(i - 1) * n + a], u[(i - 1) * n + b]
      return x < y or x == y and a < b
    end)
    orders[i] = order
  end
  return orders
end

return gramian
