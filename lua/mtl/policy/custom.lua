--- A policy of one's own: policy.custom(function(ctx, state) return weights end, { needs = "loss" }). Weights come
-- back by position or by task name: { 1, 0.5 } or { left = 1, right = 0.5 }. `state` is a table that is kept from
-- step to step and in checkpoints (plain values only). See policy/init.lua for what ctx holds.
--
--   f                  the function; `ctx` has lists by position: tasks, losses, kpis, kpis_ema, and gram
--   needs  "loss"      "gram": ctx.gram is the Gramian of the task gradients, and the weights are those of the shared
--                      gradient
--   heads  "weighted"  "unit": each head has its own task's gradient, as it is
--
-- @formula w = f(ctx, state)
-- @scale that of your weights: 1 each is a sum of T gradients, 1/T each a mean
-- @when none of the others does what you want to try
-- @needs what its option says
-- @usage policy.custom(function(ctx) return { 1, ctx.losses[1] } end):weights { losses = { 0.5, 2 } }
local policy = require "mtl.policy"

return policy.define {
  name = "custom",
  paper = "none: the rule is yours",
  positional = { "f" },
  params = {
    f = { required = true, type = "function" },
    needs = { default = "loss", choices = { "loss", "gram", "slice_gram", "rows" } },
    heads = { default = "weighted", choices = { "weighted", "unit" } },
  },
  weights = function(self, ctx)
    local given, w = self.f(ctx, self.state), {}
    if type(given) ~= "table" then
      error(("policy.custom: the function returned %s, which should be a table of weights"):format(type(given)), 0)
    end
    for i = 1, self:count(ctx) do
      local name = ctx.tasks and ctx.tasks[i]
      w[i] = given[i] or given[name]
      if type(w[i]) ~= "number" then
        error(("policy.custom: the function returned no number for task '%s'"):format(name or i), 0)
      end
    end
    return w
  end,
}
