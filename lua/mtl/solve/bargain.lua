--- G w = w^-p for a Gramian as it comes: a gradient whose square is below 1e-20 of the largest is left out (w = 0), and
-- 1e-8 of the mean square is added to the diagonal.
local gramian = require "mtl.gramian"
local newton = require "mtl.solve.newton"

return function(g, p)
  local list, trace = gramian.nonzero(g, 1e-20), 0
  local part, w = gramian.part(g, list), gramian.fill(#g, 0)
  for i = 1, #part do
    trace = trace + part[i][i]
  end
  for i = 1, #part do
    part[i][i] = part[i][i] + 1e-8 * trace / #g
  end
  for k, x in ipairs(newton(part, p)) do
    w[list[k]] = x
  end
  return w
end
