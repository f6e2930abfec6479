--- ExcessMTL (He et al., ICML 2024): weighs tasks by how far each is from its own optimum, so that label noise, which
-- nothing can mend, draws no weight. Keeps an array of a gradient's size for each task; one that becomes active begins
-- at weight 1. Its first step only records the risk that the later ones are relative to.
--
--   eta    1e-2  how fast weights move
--   every  1     steps that weights are kept for; H moves in each
--
-- @formula H_t ← H_t + g_t² element by element; e_t = Σ g_t² / √(H_t + 1e-7), divided by that of the task's first step;
-- w_t ← w_t exp(eta e_t), then Σ w = T
-- @scale of a sum of T gradients: Σ w = T
-- @when labels of the tasks are of unequal quality
local policy = require "mtl.policy"
local core = require "mtl.core"
local gramian = require "mtl.gramian"
local history = require "mtl.history"

-- (H + 1e-7)^(-1/4); of the two arrays that this takes one stays.
local function inverse_root(h)
  local shifted <close> = h + 1e-7
  return shifted ^ -0.25
end

-- Adds g^2 to H and returns the excess risk: the squared length of g / (H + 1e-7)^(1/4).
local function excess(mine, g)
  if not mine.h then
    mine.h = core.zeros(table.unpack(g:shape())):to(g:device())
  end
  do
    local square <close> = g * g
    mine.h:add_(square)
  end
  local scaled <close> = inverse_root(mine.h)
  local length <close> = scaled * g
  local line <close> = length:reshape(1, -1)
  return core.products(line, line)[1][1]
end

return policy.define {
  name = "excess_mtl",
  paper = "He et al., Robust multi-task learning with excess risks, ICML 2024",
  needs = "rows",
  heads = "unit",
  params = {
    eta = { default = 1e-2, type = "number", least = 0 },
    every = gramian.every,
  },
  weights = function(self, ctx)
    local all, w, sum = history.all(self, ctx), {}, 0
    self.state.steps = (self.state.steps or 0) + 1
    for i, mine in ipairs(all) do
      local g <close> = ctx.rows[i]
      mine.w = mine.w or 1
      local e = excess(mine, g)
      if mine.first and (self.state.steps - 1) % self.every == 0 then
        mine.w = mine.w * math.exp(self.eta * (mine.first > 0 and e / mine.first or 0))
      end
      mine.first = mine.first or e
      sum = sum + mine.w
    end
    for i, mine in ipairs(all) do
      mine.w = mine.w * #all / sum
      w[i] = mine.w
    end
    return w
  end,
}
