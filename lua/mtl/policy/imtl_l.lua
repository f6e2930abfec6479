--- Impartial multi-task learning, the loss part (Liu et al., ICLR 2021): a number s a task is learned with the model,
-- from 0; total = sum of e^s L - s. At its minimum e^s L = 1 for every task: all scaled losses are alike, whatever
-- their units. Losses must not be below 0. No weight decay on s; `lr`: a learning rate of its own (default: the
-- optimizer's). The weights e^s start at 1 (a sum of T gradients) and have no fixed sum: they grow as losses fall.
local policy = require "mtl.policy"

return policy.define {
  name = "imtl_l",
  paper = "Liu et al., Towards impartial multi-task learning, ICLR 2021",
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
