--- Impartial multi-task learning, both parts (Liu et al., ICLR 2021): imtl_l's numbers s, learned with the model
-- from sum of e^s L - s, bring the losses to one scale; imtl_g then weighs the gradients e^s g. weights gives what
-- multiplies the gradients as they are, imtl_g's of the Gramian G_ij e^(s_i + s_j) times e^s; heads are weighted by
-- the same. As imtl_g's direction does not depend on lengths, s changes the shared step's size only. s learns from
-- total(), the losses in it taken as constants, and does not see imtl_g's weights. Losses must not be below 0; no
-- weight decay on s.
--
--   lr     of s (default: the optimizer's)
--   every  1  steps that weights are kept for
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"
local declare = require "mtl.declare"

local part_l, part_g = declare.definition(policy.imtl_l), declare.definition(policy.imtl_g)

return policy.define {
  name = "imtl",
  paper = "Liu et al., Towards impartial multi-task learning, ICLR 2021",
  needs = "gram",
  heads = "weighted",
  positive = true,
  params = { lr = { type = "number", above = 0 }, every = gramian.every },
  learned = part_l.learned,
  total = part_l.total,
  weights = function(self, ctx)
    local e = {}
    for i = 1, self:count(ctx) do
      e[i] = math.exp((ctx.learned_values or {})[ctx.index and ctx.index[i] or i] or 0)
    end
    local w = part_g.weights(self, { gram = gramian.rescaled(ctx.gram, e) })
    for i = 1, #e do
      w[i] = w[i] * e[i]
    end
    return w
  end,
}
