--- Homoscedastic uncertainty (Kendall, Gal & Cipolla, CVPR 2018): a number s a task is learned with the model,
-- the logarithm of its noise. Each task's loss says which formula holds: cross-entropies classification, mse and huber
-- squared, l1 absolute, a custom loss its `form`. No weight decay on s.
--
--   lr        of s (default: the optimizer's)
--   forms     by task: { depth = "squared" }: "classification", "squared" or "absolute" in place of the loss's own
--
-- @formula classification, s = log σ²: total L e^(-s) + s/2; squared error: L e^(-s)/2 + s/2;
-- absolute error (Laplace), s = log b: L e^(-s) + s; s from 0, the total is their sum
-- @scale no fixed sum: the weights start at 1 (squared error: 1/2) and grow as losses fall
-- @when losses of different units should find their balance without tuning
-- @usage policy.uncertainty():weights { losses = { 0.5, 2 }, learned_values = { -0.7, 0.7 } }
local policy = require "mtl.policy"
local nearest = require "mtl.nearest"

local factor = { classification = 1, squared = 0.5, absolute = 1 } -- of L exp(-s)
local offset = { classification = 0.5, squared = 0.5, absolute = 1 } -- of s

local function check_forms(forms)
  for name, form in pairs(forms) do
    if not factor[form] then
      return ("forms.%s is '%s', which should be one of 'absolute', 'classification', 'squared'"):format(tostring(name),
        tostring(form))
    end
  end
end

local function form_of(self, name)
  return self.forms and self.forms[name] or self.found and self.found[name] or "classification"
end

return policy.define {
  name = "uncertainty",
  paper = "Kendall, Gal & Cipolla, Multi-task learning using uncertainty to weigh losses, CVPR 2018",
  blind = true,
  positive = true,
  params = { lr = { type = "number", above = 0 }, forms = { type = "table", check = check_forms } },
  names_wrong = function(self, known)
    for name in pairs(self.forms or {}) do
      if not known[name] then
        return "policy.uncertainty: forms: " .. nearest.unknown("task", name, known)
      end
    end
  end,
  prepare = function(self, tasks)
    self.found = {}
    for _, task in ipairs(tasks) do
      self.found[task.name] = task.loss.form
    end
  end,
  learned = function(_, n)
    local s = {}
    for i = 1, n do
      s[i] = 0
    end
    return s
  end,
  total = function(self, ctx)
    local sum
    for i, loss in ipairs(ctx.loss_tensors) do
      local s = ctx.learned:slice(1, ctx.index[i], ctx.index[i]):reshape {}
      local form = form_of(self, ctx.tasks[i])
      local term = (-s):exp() * loss * factor[form] + s * offset[form]
      sum = sum and sum + term or term
    end
    return sum
  end,
  --- What each loss is multiplied with, from ctx.learned_values (by place in the recipe).
  weights = function(self, ctx)
    local w = {}
    for i = 1, self:count(ctx) do
      local s = (ctx.learned_values or {})[ctx.index and ctx.index[i] or i] or 0
      w[i] = factor[form_of(self, ctx.tasks and ctx.tasks[i])] * math.exp(-s)
    end
    return w
  end,
}
