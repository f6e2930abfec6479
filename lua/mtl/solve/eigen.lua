--- Eigenvalues of a symmetric table by Jacobi's cyclic rotations, largest first.
-- @return values, vectors: vectors[k] is the one of values[k], of length 1
local function rotate(a, v, p, q)
  local theta = (a[q][q] - a[p][p]) / (2 * a[p][q])
  local t = (theta < 0 and -1 or 1) / (math.abs(theta) + math.sqrt(theta * theta + 1))
  local c = 1 / math.sqrt(t * t + 1)
  local s, off = t * c, t * a[p][q]
  for k = 1, #a do
    if k ~= p and k ~= q then
      local x, y = a[k][p], a[k][q]
      a[k][p], a[k][q] = c * x - s * y, s * x + c * y
      a[p][k], a[q][k] = a[k][p], a[k][q]
    end
    local x, y = v[p][k], v[q][k]
    v[p][k], v[q][k] = c * x - s * y, s * x + c * y
  end
  a[p][p], a[q][q] = a[p][p] - off, a[q][q] + off
  a[p][q], a[q][p] = 0, 0
end

return function(g)
  local n, a, v, order, values, vectors = #g, {}, {}, {}, {}, {}
  for i = 1, n do
    a[i], v[i], order[i] = { table.unpack(g[i]) }, {}, i
    for j = 1, n do
      v[i][j] = i == j and 1 or 0
    end
  end
  for _ = 1, 60 do
    local turned = false
    for p = 1, n - 1 do
      for q = p + 1, n do
        if math.abs(a[p][q]) > 1e-17 * math.sqrt(math.abs(a[p][p] * a[q][q])) then
          rotate(a, v, p, q)
          turned = true
        end
      end
    end
    if not turned then
      break
    end
  end
  table.sort(order, function(i, j)
    return a[i][i] > a[j][j] or a[i][i] == a[j][j] and i < j
  end)
  for k, i in ipairs(order) do
    values[k], vectors[k] = a[i][i], v[i]
  end
  return values, vectors
end
