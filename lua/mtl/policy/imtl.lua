--- Impartial multi-task learning, both parts (Liu et al., ICLR 2021): imtl_l's numbers s bring the losses to one scale,
-- and imtl_g weighs the gradients of the scaled losses. Heads are weighted by the same. As imtl_g's direction does not
-- depend on lengths, s changes the shared step's size only. s does not see imtl_g's weights. Losses must not be below
-- 0; no weight decay on s.
--
--   lr        of s (default: the optimizer's)
--   every  1  steps that imtl_g's weights are kept for
--
-- @formula s learned from Σ e^s L - s, the losses in it taken as constants;
-- w = e^s × imtl_g's weights of G_ij e^(s_i + s_j)
-- @scale a mean of the gradients e^s g: it grows as losses fall, for then e^s nears 1/L
-- @when losses differ in scale, and the gradients of the heads should be brought to one scale as well
-- @usage policy.imtl():weights { gram = { { 4, 1 }, { 1, 2 } } }
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
    local kept, names = self.state.kept, ctx.tasks and table.concat(ctx.tasks, ",")
    if not kept or kept.tasks ~= names or ((ctx.step or 1) - 1) % self.every == 0 then
      kept = { tasks = names, weights = part_g.weights(self, { gram = gramian.rescaled(ctx.gram, e) }) }
      self.state.kept = self.every > 1 and kept or nil
    end
    local w = {}
    for i = 1, #e do
      w[i] = kept.weights[i] * e[i]
    end
    return w
  end,
}
