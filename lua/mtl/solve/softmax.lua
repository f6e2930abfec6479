--- Softmax of the numbers x[1..n]; holes (nil) stay holes and have no share.
-- @return list of shares that sum to 1, how many there are
return function(x, n)
  local top, sum, count, shares = -math.huge, 0, 0, {}
  for i = 1, n do
    top = math.max(top, x[i] or top)
  end
  for i = 1, n do
    if x[i] then
      shares[i] = math.exp(x[i] - top)
      sum, count = sum + shares[i], count + 1
    end
  end
  for i = 1, n do
    shares[i] = shares[i] and shares[i] / sum
  end
  return shares, count
end
