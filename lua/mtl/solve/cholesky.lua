--- Solves A x = b for a symmetric positive definite table A, through A = L L'. A is scaled to a diagonal of 1 first, so
-- that rows of very different sizes lose nothing.
-- @return x; or nil where A is not positive definite to within `least` (default 0) of its diagonal
return function(a, b, least)
  local n, l, x, d = #a, {}, {}, {}
  for i = 1, n do
    if a[i][i] <= 0 then
      return nil
    end
    d[i] = 1 / math.sqrt(a[i][i])
  end
  for i = 1, n do
    local row, ai = {}, a[i]
    for j = 1, i do
      local lj = l[j] or row
      local sum = ai[j] * d[i] * d[j]
      for k = 1, j - 1 do
        sum = sum - row[k] * lj[k]
      end
      if j < i then
        row[j] = sum / lj[j]
      elseif sum > (least or 0) then
        row[i] = math.sqrt(sum)
      else
        return nil
      end
    end
    l[i] = row
    local sum = b[i] * d[i]
    for k = 1, i - 1 do
      sum = sum - row[k] * x[k]
    end
    x[i] = sum / row[i]
  end
  for i = n, 1, -1 do
    local sum = x[i]
    for k = i + 1, n do
      sum = sum - l[k][i] * x[k]
    end
    x[i] = sum / l[i][i]
  end
  for i = 1, n do
    x[i] = x[i] * d[i]
  end
  return x
end
