--- f(G) b for a symmetric positive semidefinite table G: the sum of f(value) (vector'b) vector over the eigenvalues
-- above `share` times the largest. f is told the value and the least of those.
-- @param share default T times the rounding of doubles; with f(x) = 1/x (the default) it is the pseudoinverse times b
local eigen = require "mtl.solve.eigen"
local gramian = require "mtl.gramian"

local function inverse(x)
  return 1 / x
end

return function(g, b, f, share)
  local n = #g
  local values, vectors = eigen(g)
  local result, rank = gramian.fill(n, 0), 0
  for k = 1, n do
    rank = values[k] > 0 and values[k] > values[1] * (share or n * 2.3e-16) and k or rank
  end
  for k = 1, rank do
    local c = (f or inverse)(values[k], values[rank]) * gramian.dot(vectors[k], b)
    for i = 1, n do
      result[i] = result[i] + c * vectors[k][i]
    end
  end
  return result, rank
end
