--- Weights that people choose: policy.fixed { left = 1, right = 0.5 }. Every task of the stage needs one.
--
--   by_name    each task's weight, under the task's own name
--
-- @formula w as given; the gradient is Σ w g
-- @scale that of the weights: 1 each is a sum of T gradients
-- @when the right balance is known, or is searched for on a grid
-- @usage policy.fixed { left = 1, right = 0.5 }:weights { tasks = { "left", "right" } }
local policy = require "mtl.policy"
local nearest = require "mtl.nearest"

return policy.define {
  name = "fixed",
  paper = "Xin et al., Do current multi-task optimization methods in deep learning even help?, NeurIPS 2022",
  blind = true,
  gather = "by_name",
  params = { by_name = { required = true, type = "by_task", least = 0 } },
  names_wrong = function(self, known, tasks)
    for name in pairs(self.by_name) do
      if not known[name] then
        return "policy.fixed: " .. nearest.unknown("task", name, known)
      end
    end
    for _, task in ipairs(tasks) do
      if not self.by_name[task.name] then
        return ("policy.fixed has no weight for task '%s'"):format(task.name)
      end
    end
  end,
  weights = function(self, ctx)
    local w = {}
    for i, name in ipairs(ctx.tasks) do
      w[i] = self.by_name[name] or error(("policy.fixed has no weight for task '%s'"):format(name), 0)
    end
    return w
  end,
}
