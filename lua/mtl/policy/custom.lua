--- A policy of one's own: policy.custom(function(ctx, state) return weights end, { needs = "loss" }). Weights come
-- back by position or by task name: { 1, 0.5 } or { left = 1, right = 0.5 }. `state` is a table that is kept from
-- step to step and in checkpoints (plain values only). See policy/init.lua for ctx, `needs` and `heads`.
local policy = require "mtl.policy"

return policy.define {
  name = "custom",
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
