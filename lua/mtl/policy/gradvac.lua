--- Gradient vaccine (Wang et al., ICLR 2021): as PCGrad, with a goal for the cosine of each pair that follows what
-- it has been. Weights are T numbers, or with `slices` T for each slice. A goal starts anew when one of its two tasks
-- becomes active.
--
--   beta    0.01     share of the new cosine (LibMTL: 0.5)
--   slices  "model"  "layer" or "matrix": each has goals and weights of its own
--   every   1        steps that weights are kept for
--
-- @formula over the others h in random order, ρ = cos(g', h); where it is below the goal r:
-- g' += h |g'| (r √(1 - ρ²) - ρ √(1 - r²)) / (|h| √(1 - r²)); then r ← (1 - beta) r + beta ρ, from 0;
-- both are kept within 1 - 1e-6 of 0; d = Σ g'
-- @scale of a sum of T gradients
-- @when there are many tasks, some of which are related
-- @usage policy.gradvac():weights { gram = { { 4, -1 }, { -1, 1 } } }
local policy = require "mtl.policy"
local gramian = require "mtl.gramian"
local history = require "mtl.history"

local top = 1 - 1e-6

local function clamp(x)
  return math.max(-top, math.min(top, x))
end

-- One pair: a are the coefficients of g', goals a list by slice.
local function vaccinate(g, a, j, goals, slice, beta)
  local length, other = math.sqrt(gramian.square(g, a)), math.sqrt(math.max(g[j][j], 0))
  if not (length > 0 and other > 0) then
    return
  end
  local goal, rho = goals[slice] or 0, clamp(gramian.dot(a, g[j]) / length / other)
  if rho < goal then
    local r = math.sqrt(1 - goal * goal)
    a[j] = a[j] + length * (goal * math.sqrt(1 - rho * rho) - rho * r) / (other * r)
  end
  goals[slice] = clamp((1 - beta) * goal + beta * rho)
end

return policy.define {
  name = "gradvac",
  paper = "Wang et al., Gradient vaccine, ICLR 2021",
  blind = true,
  heads = "unit",
  params = {
    beta = { default = 0.01, type = "number", least = 0, most = 1 },
    slices = { default = "model", choices = { "model", "layer", "matrix" } },
    every = gramian.every,
  },
  derive = function(self)
    self.needs = self.slices == "model" and "gram" or "slice_gram"
  end,
  weights = function(self, ctx)
    local slices, all = ctx.slices or { ctx.gram }, {}
    local n = #slices[1]
    for k = 1, #slices do
      all[k] = gramian.fill(n, 0)
    end
    for i, order in ipairs(gramian.orders(self, ctx, n)) do
      local mine = history.of(self, ctx, i, function()
        return {}
      end)
      for k, g in ipairs(slices) do
        local a = gramian.fill(n, 0)
        a[i] = 1
        for _, j in ipairs(order) do
          local name = ctx.tasks and ctx.tasks[j] or tostring(j)
          if not mine[name] or k == 1 and ctx.since and ctx.since[j] == 0 then
            mine[name] = gramian.fill(#slices, 0)
          end
          vaccinate(g, a, j, mine[name], k, self.beta)
        end
        for j = 1, n do
          all[k][j] = all[k][j] + a[j]
        end
      end
    end
    return ctx.slices and all or all[1]
  end,
}
