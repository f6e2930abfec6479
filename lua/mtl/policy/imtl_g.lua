--- Impartial multi-task learning, the gradient part (Liu et al., ICLR 2021): the direction has the same projection on
-- every task's unit gradient. It does not depend on the lengths of the gradients (where they are independent). Weights
-- may be negative; they are 1/T where the sum of v is 0. Heads are weighted too.
--
--   every  1  steps that weights are kept for
--
-- @formula v = pinv(G) √(diag G), w = v / Σ v
-- @scale of a mean: Σ w = 1
-- @when tasks' losses differ in scale
-- @usage policy.imtl_g():weights { gram = { { 4, 1 }, { 1, 1 } } }
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"
local spectral = require "mtl.solve.spectral"

return policy.define {
  name = "imtl_g",
  paper = "Liu et al., Towards impartial multi-task learning, ICLR 2021",
  blind = true,
  needs = "gram",
  heads = "weighted",
  params = { every = gramian.every },
  weights = function(self, ctx)
    local n, lengths, largest = self:count(ctx), {}, 0
    for i = 1, n do
      lengths[i] = math.sqrt(math.max(ctx.gram[i][i], 0))
      largest = math.max(largest, lengths[i])
    end
    local v, sum, size = spectral(ctx.gram, lengths), 0, largest > 0 and 1 / largest or 0
    for i = 1, n do
      sum, size = sum + v[i], size + math.abs(v[i])
    end
    if math.abs(sum) <= 1e-12 * size then
      return gramian.fill(n, 1 / n)
    end
    return gramian.scaled(v, 1 / sum)
  end,
}
