--- Weights that people choose: policy.fixed { left = 1, right = 0.5 }. The gradient is the sum of weight x gradient.
-- Every task of the stage needs one. For when the right balance is known, or is searched for on a grid.
local policy = require "mtl.policy"
local nearest = require "mtl.nearest"

return policy.define {
  name = "fixed",
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
