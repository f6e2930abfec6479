--- MoCo (Fernando et al., ICLR 2023): the shortest combination of gradients that are averaged over steps, so that their
-- noise does not bias the weights. Keeps a gradient for each task; a task that becomes active begins at y = 0, w = 1/T.
-- In the formula k counts the task's steps for y, the policy's for w.
--
--   beta         0.5      share of the new gradient in y
--   beta_sigma   0.5      how fast it falls with the steps
--   gamma        0.1      size of the steps of w
--   gamma_sigma  0.5      how fast it falls
--   rho          0        pulls w to equal weights
--   variant      "paper"  "code": the published code's, L g / |g| for g, and a softmax in place of Π
--   every        1        steps that w is kept for; y moves in each
--
-- @formula y_t ← y_t - beta / k^beta_sigma (y_t - g_t), from 0; w ← Π(w - gamma / k^gamma_sigma (Y Y' + rho I) w), Π on
-- the simplex, from 1/T; d = Y' w
-- @scale of a mean: Σ w = 1; y lags behind, so the first steps are short
-- @when batches are small, so that MGDA's weights are mostly noise; beside Adam, which averages too, its lag may cost
-- more than it gains: docs/results.md has such a case, and `beta_sigma` = 0 lags less
local policy = require "mtl.policy"
local core = require "mtl.core"
local gramian = require "mtl.gramian"
local history = require "mtl.history"
local shares = require "mtl.shares"
local simplex = require "mtl.solve.simplex"
local softmax = require "mtl.solve.softmax"

-- Factors that make L_t g_t / |g_t| of g_t.
local function lengths(ctx)
  local products, scales = core.products(ctx.rows, ctx.rows), {}
  for i = 1, #products do
    scales[i] = ctx.losses[i] / (math.sqrt(math.max(products[i][i], 0)) + 1e-8)
  end
  return scales
end

return policy.define {
  name = "moco",
  paper = "Fernando et al., Mitigating gradient bias in multi-objective learning, ICLR 2023",
  needs = "rows",
  heads = "unit",
  params = {
    beta = { default = 0.5, type = "number", above = 0, most = 1 },
    beta_sigma = { default = 0.5, type = "number", least = 0 },
    gamma = { default = 0.1, type = "number", least = 0 },
    gamma_sigma = { default = 0.5, type = "number", least = 0 },
    rho = { default = 0, type = "number", least = 0 },
    variant = { default = "paper", choices = { "paper", "code" } },
    every = gramian.every,
  },
  weights = function(self, ctx)
    local code, n = self.variant == "code", #ctx.rows
    local scales = code and lengths(ctx) or gramian.fill(n, 1)
    local kept = history.all(self, ctx)
    for i = 1, n do
      local g <close>, h = ctx.rows[i], kept[i]
      h.steps = (h.steps or 0) + 1
      local step = self.beta / h.steps ^ self.beta_sigma
      history.average(h, g, 1 - step, step * scales[i])
    end
    local l = shares.of(kept)
    self.state.steps = (self.state.steps or 0) + 1
    if (self.state.steps - 1) % self.every ~= 0 then
      return l
    end
    local slope = gramian.times(core.products(ctx.rows, ctx.rows), l)
    local step = self.gamma / self.state.steps ^ self.gamma_sigma
    for i = 1, n do
      l[i] = l[i] - step * (slope[i] + self.rho * l[i])
    end
    return shares.keep(kept, code and softmax(l, n) or simplex.project(l))
  end,
}
