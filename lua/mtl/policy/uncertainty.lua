--- Homoscedastic uncertainty (Kendall, Gal & Cipolla, CVPR 2018): a number s a task is learned with the model, from
-- 0. Classification and squared error: s = log sigma^2, total L exp(-s) + s/2, squared error L exp(-s)/2 + s/2;
-- absolute error (Laplace): s = log b, L exp(-s) + s. Each task's loss says which: cross-entropies classification,
-- mse and huber squared, l1 absolute, a custom loss its `form`; `forms = { task = "squared" }` overrules. No weight
-- decay on s; `lr`: a learning rate of its own (default: the optimizer's). The weights have no fixed sum: they grow
-- as losses fall. For losses of different units that should find their balance without tuning.
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
