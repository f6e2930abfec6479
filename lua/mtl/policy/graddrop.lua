--- GradDrop (Chen et al., NeurIPS 2020): at each place of the representation x that all tasks read, gradients of one
-- sign only pass, drawn by the share of the positive ones. Random numbers are of the policy's own stream.
--
--   leak  0  share of what does not pass that passes anyway; a number, or by task (others: 0)
--
-- @formula c_t = Σ over the batch of sign(x) ∇_t; P = (1 + Σ c / (Σ |c| + 1e-7)) / 2; U even in [0, 1);
-- mask_t = [P > U] [c_t > 0] + [P < U] [c_t < 0]; d = Σ (leak + (1 - leak) mask_t) ∇_t
-- @scale of a sum of T gradients, of which about half is dropped where signs conflict
-- @when many tasks conflict in single features
local policy = require "mtl.policy"
local core = require "mtl.core"

-- c_t: [places] for each task.
local function purities(x, rows)
  local signs <close>, list = core.sign(x), {}
  for i = 1, #rows do
    local g <close> = rows[i]
    local along <close> = signs * g
    list[i] = along:sum(1)
  end
  return list
end

-- 1 where a task's gradient passes, 0 elsewhere. @param chance P, draw U
local function passes(c, chance, draw)
  return (chance:gt(draw) * c:gt(0)) + (chance:lt(draw) * c:lt(0))
end

return policy.define {
  name = "graddrop",
  paper = "Chen et al., Just pick a sign: optimizing deep multitask models with gradient sign dropout, NeurIPS 2020",
  needs = "rows",
  at = "representation",
  heads = "unit",
  params = { leak = { default = 0, type = "number or by_task", least = 0, most = 1 } },
  weights = function(self, ctx)
    local n = #ctx.rows
    local c = purities(ctx.representation, ctx.rows)
    local sum, size = c[1], c[1]:abs()
    for i = 2, n do
      sum, size = sum + c[i], size + c[i]:abs()
    end
    local chance = (sum / (size + 1e-7) + 1) * 0.5
    local draw = self:uniform(ctx, chance:count()):reshape(table.unpack(chance:shape())):to(chance:device())
    local w = {}
    for i = 1, n do
      local leak = type(self.leak) == "table" and (ctx.tasks and self.leak[ctx.tasks[i]] or 0) or self.leak
      local mask = passes(c[i], chance, draw) * (1 - leak) + leak
      local g <close> = ctx.rows[i]
      local dropped <close> = g * mask
      g:copy_(dropped)
      w[i] = 1
    end
    return w
  end,
}
