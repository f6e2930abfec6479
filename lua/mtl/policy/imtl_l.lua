--- Impartial multi-task learning, the loss part (Liu et al., ICLR 2021): a number s a task is learned with the model,
-- so that all scaled losses e^s L become alike, whatever their units. Losses must not be below 0. No weight decay on s.
--
--   lr    of s (default: the optimizer's)
--
-- @formula total = Σ e^s L - s, s from 0; at its minimum e^s L = 1 for every task
-- @scale of a sum of T gradients at the start, where e^s = 1; no fixed sum: the weights grow as losses fall
-- @when losses of different units should find one scale without tuning
-- @usage policy.imtl_l():weights { losses = { 0.5, 2 }, learned_values = { 0.7, -0.7 } }
local policy = require "mtl.policy"

return policy.define {
  name = "imtl_l",
  paper = "Liu et al., Towards impartial multi-task learning, ICLR 2021",
  blind = true,
  positive = true,
  params = { lr = { type = "number", above = 0 } },
  learned = function(_, n)
    local s = {}
    for i = 1, n do
      s[i] = 0
    end
    return s
  end,
  total = function(_, ctx)
    local sum
    for i, loss in ipairs(ctx.loss_tensors) do
      local s = ctx.learned:slice(1, ctx.index[i], ctx.index[i]):reshape {}
      local term = s:exp() * loss - s
      sum = sum and sum + term or term
    end
    return sum
  end,
  --- What each loss is multiplied with, from ctx.learned_values (by place in the recipe).
  weights = function(self, ctx)
    local w = {}
    for i = 1, self:count(ctx) do
      w[i] = math.exp((ctx.learned_values or {})[ctx.index and ctx.index[i] or i] or 0)
    end
    return w
  end,
}
