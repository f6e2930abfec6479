--- Alpha-fair resource allocation (Ban & Ji, ICML 2024): the gains of the tasks are alpha-fair. a = 1 is Nash-MTL
-- before its clip; larger a: nearer to equal gains. Heads are weighted. Solved as nash_mtl.
--
--   a      1  above 0
--   every  1  steps that weights are kept for
--
-- @formula G w = w^(-1/a) element by element, w > 0
-- @scale at a = 1 |d| = √T; in general it grows as |g|^((1-a)/(1+a)). Nothing is clipped
-- @when one number should choose between the mean gain and the worst-off task
-- @usage policy.fairgrad { a = 2 }:weights { gram = { { 4, 1 }, { 1, 2 } } }
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"
local bargain = require "mtl.solve.bargain"

return policy.define {
  name = "fairgrad",
  paper = "Ban & Ji, Fair resource allocation in multi-task learning, ICML 2024",
  blind = true,
  needs = "gram",
  heads = "weighted",
  params = { a = { default = 1, type = "number", above = 0 }, every = gramian.every },
  weights = function(self, ctx)
    return bargain(ctx.gram, 1 / self.a)
  end,
}
