--- A policy of one's own: policy.custom(function(ctx, state) return weights end, { needs = "loss" }). Weights come
-- back by position or by task name: { 1, 0.5 } or { left = 1, right = 0.5 }; with needs = "slice_gram" a list of such
-- lists, one for each of ctx.slices. A second result, of the same form, are factors of the heads' gradients. `state` is
-- a table that is kept from step to step and in checkpoints (plain values and tensors). See policy/init.lua for ctx.
--
--   f                  the function; `ctx` has lists by position: tasks, losses, kpis, kpis_ema, and what it needs
--   needs  "loss"      "gram": ctx.gram, the Gramian of the task gradients, and the weights are those of the shared
--                      gradient; "slice_gram": ctx.slices, one for each layer; "rows": ctx.rows, a tensor of the
--                      gradients, which it may rewrite in place
--   at     "shared"    "representation": gradients at the tensor that all tasks read, ctx.representation
--   heads  "weighted"  "unit": each head has its own task's gradient, as it is
--
-- @formula w = f(ctx, state)
-- @scale that of your weights: 1 each is a sum of T gradients, 1/T each a mean
-- @when none of the others does what you want to try
-- @needs what its option says
-- @usage policy.custom(function(ctx) return { 1, ctx.losses[1] } end):weights { losses = { 0.5, 2 } }
local policy = require "mtl.policy"

-- By position.
local function read(self, ctx, given)
  if type(given) ~= "table" then
    error(("policy.custom: the function returned %s, which should be a table of weights"):format(type(given)), 0)
  end
  local w = {}
  for i = 1, self:count(ctx) do
    local name = ctx.tasks and ctx.tasks[i]
    w[i] = given[i] or given[name]
    if type(w[i]) ~= "number" then
      error(("policy.custom: the function returned no number for task '%s'"):format(name or i), 0)
    end
  end
  return w
end

return policy.define {
  name = "custom",
  paper = "none: the rule is yours",
  positional = { "f" },
  params = {
    f = { required = true, type = "function" },
    needs = { default = "loss", choices = { "loss", "gram", "slice_gram", "rows" } },
    at = { default = "shared", choices = { "shared", "representation" } },
    heads = { default = "weighted", choices = { "weighted", "unit" } },
  },
  derive = function(self)
    if self.at == "representation" and self.needs ~= "gram" and self.needs ~= "rows" then
      return "at = 'representation' goes with needs = 'gram' or 'rows'"
    end
  end,
  weights = function(self, ctx)
    local given, own = self.f(ctx, self.state)
    if not ctx.slices then
      return read(self, ctx, given), own and read(self, ctx, own)
    elseif type(given) ~= "table" or #given ~= #ctx.slices then
      error(("policy.custom: the function returned %s, which should be a list of weights for each of the %d slices")
        :format(type(given) == "table" and #given .. " lists" or type(given), #ctx.slices), 0)
    end
    local w = {}
    for k = 1, #ctx.slices do
      w[k] = read(self, ctx, given[k])
    end
    return w, own and read(self, ctx, own)
  end,
}
