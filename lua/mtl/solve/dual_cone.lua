--- min v'Gv with v >= u element by element: the projection of J'u on the cone of the directions that no gradient g_i
-- opposes, as weights (G v >= 0 at the minimum). With v = u + x it is min x'Gx / 2 + (Gu)'x, x >= 0.
local gramian = require "mtl.gramian"
local nonnegative = require "mtl.solve.nonnegative"

return function(g, u)
  local x = nonnegative(g, gramian.scaled(gramian.times(g, u), -1))
  for i = 1, #u do
    x[i] = u[i] + x[i]
  end
  return x
end
