--- Random loss weighting (Lin et al., TMLR 2022): every step draws its weights anew. The numbers come from a random
-- stream of the policy's own.
--
--   dirichlet  false  true: w evenly distributed over all weights of sum 1 instead
--
-- @formula w = softmax of T independent normal numbers
-- @scale of a mean: Σ w = 1
-- @when a baseline is wanted, which cleverer weights should beat
-- @usage policy.rlw()
local policy = require "mtl.policy"
local softmax = require "mtl.solve.softmax"

local half = 2 ^ -25 -- half of the grid that the uniform numbers lie on: keeps them off 0

return policy.define {
  name = "rlw",
  paper = "Lin et al., Reasonable effectiveness of random weighting: a litmus test for multi-task learning, TMLR 2022",
  blind = true,
  params = { dirichlet = { default = false, type = "boolean" } },
  weights = function(self, ctx)
    local n, x = self:count(ctx), {}
    local u = self:draws(ctx, 2 * n)
    for i = 1, n do
      local exponential = -math.log(u[2 * i - 1] + half)
      x[i] = self.dirichlet and math.log(exponential)
        or math.sqrt(2 * exponential) * math.cos(2 * math.pi * u[2 * i])
    end
    return (softmax(x, n))
  end,
}
