--- What the tasks of a training work with: KPIs and losses with what they saw of the training labels, and the leaves
-- that losses and policies learn.
local element = require "mtl.element"
local fits = require "mtl.fits"
local leaf = require "mtl.leaf"

local parts = {}

--- The tensors that the loss of a task has learned, or nil.
function parts.slots(t, index)
  local slots
  for k, own in ipairs(t.loss_leaves[index]) do
    slots = slots or {}
    slots[k] = own.tensor
  end
  return slots
end

local function answer(task, object, ok, ...)
  local e = ...
  if ok then
    return ...
  elseif type(e) == "string" and e ~= "not enough memory" then
    e = ("task '%s': %s.%s: %s"):format(task.name, object.kind, object.type, e)
  end
  error(e, 0)
end

-- Refuses numbers other than 0 to 1 where yes or no is read: of a column, which is in memory, before a run begins.
local function check_yes_no(task, source, object, field)
  local target = source.set.targets[task.target]
  if target.kind == "number" and #(target.shape or {}) < 2 and (object.fits == fits.binary
    or object.fits == fits.any_class) then
    answer(task, object, pcall(element.yes_no, source.set:target_tensor("train", field)))
  end
end

--- KPIs, losses and their leaves for the tasks of a source, into t.meters, t.losses and t.loss_leaves by place.
function parts.make(t, source)
  for _, i in ipairs(source.tasks) do
    local task = t.recipe.tasks[i]
    t.meters[i], t.losses[i], t.loss_leaves[i] = task.kpi:new(), task.loss:new(), {}
    for _, object in ipairs { t.meters[i], t.losses[i] } do
      check_yes_no(task, source, object, source.field[i])
      if object.fit then
        object:fit(source.set:target_tensor("train", source.field[i]))
      end
    end
    for k, slot in ipairs(t.losses[i].learned and t.losses[i]:learned() or {}) do
      t.loss_leaves[i][k] = leaf.new(slot, t.recipe.stages[1].optimizer:settings(), t.device)
    end
  end
end

--- Calls a method of a task's loss, KPI or metric; what goes wrong in it names the task.
function parts.call(task, object, method, ...)
  return answer(task, object, pcall(object[method], object, ...))
end

--- All leaves outside of the model, by the names that checkpoints know them by.
function parts.leaves(t)
  local named = {}
  for key, policy in pairs(t.policies) do
    for i, own in ipairs(policy.learned or {}) do
      named[("policy.%d.%d"):format(key, i)] = own
    end
  end
  for index, leaves in pairs(t.loss_leaves) do
    for _, own in ipairs(leaves) do
      named[("loss.%s.%s"):format(t.recipe.tasks[index].name, own.name)] = own
    end
  end
  return named
end

return parts
