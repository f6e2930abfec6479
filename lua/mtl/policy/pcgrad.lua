--- Projecting conflicting gradients (Yu et al., NeurIPS 2020): each task's gradient, over the others in random order,
-- loses its part along every original gradient that it conflicts with; then all are added. Done on coefficients, so
-- exactly, from the Gramian alone. The orders come from a stream of the policy's own.
--
--   mean   false  true: the mean instead of the sum
--   every  1      steps that weights are kept for
--
-- @formula from g' = g, over the others h in random order: where g'·h < 0, g' -= (g'·h / |h|²) h; d = Σ g'
-- @scale of a sum of T gradients; with `mean` that of a mean
-- @when tasks of gradients of like size conflict
-- @usage policy.pcgrad():weights { gram = { { 4, -1 }, { -1, 1 } } }
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"

return policy.define {
  name = "pcgrad",
  paper = "Yu et al., Gradient surgery for multi-task learning, NeurIPS 2020",
  blind = true,
  needs = "gram",
  heads = "unit",
  params = { mean = { default = false, type = "boolean" }, every = gramian.every },
  weights = function(self, ctx)
    local n, g = self:count(ctx), ctx.gram
    local w = gramian.fill(n, 0)
    for i, order in ipairs(gramian.orders(self, ctx, n)) do
      local a = gramian.fill(n, 0)
      a[i] = 1
      for _, j in ipairs(order) do
        local dot = gramian.dot(a, g[j])
        if dot < 0 and g[j][j] > 0 then
          a[j] = a[j] - dot / g[j][j]
        end
      end
      for j = 1, n do
        w[j] = w[j] + a[j] / (self.mean and n or 1)
      end
    end
    return w
  end,
}
