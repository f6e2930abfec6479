--- Nash bargaining (Navon et al., ICML 2022): the tasks agree on the direction that maximises the product of their
-- gains. It does not change when a task's loss is multiplied by a number. A gradient whose square is below 1e-20 of the
-- largest is left out (w = 0).
--
--   max_norm  1  the norm that the mixed shared gradient is clipped to by the trainer; 0: off. Heads, times w, are not
--   every     1  steps that weights are kept for (the paper: 1 to 50)
--
-- @formula G w = 1 / w element by element, w > 0; solved with G + 1e-8 tr(G)/T I
-- @scale |d| = √T, whatever the gradients' lengths, so the shared gradient is clipped
-- @when losses have different scales
-- @usage policy.nash_mtl():weights { gram = { { 4, 0 }, { 0, 1 } } }
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"
local bargain = require "mtl.solve.bargain"

return policy.define {
  name = "nash_mtl",
  paper = "Navon et al., Multi-task learning as a bargaining game, ICML 2022",
  blind = true,
  needs = "gram",
  heads = "weighted",
  params = { max_norm = { default = 1, type = "number", least = 0 }, every = gramian.every },
  weights = function(_, ctx)
    return bargain(ctx.gram, 1)
  end,
}
