--- Losses and KPIs of the batches of one step. A tally, by task: { task, loss, remains, tensor, kpi, soft,
-- soft_tensor }; over several micro-batches losses are summed by their labels, and KPIs are those of all of them.
local core = require "mtl.core"
local element = require "mtl.element"
local parts = require "mtl.parts"
local units = require "mtl.units"

local measure = {}

local function finite(x)
  return x == x and x ~= math.huge and x ~= -math.huge
end

--- Forgets the gradients: the model's, and those of the losses' own leaves.
function measure.zero_grad(t)
  t.model:zero_grad()
  for _, leaves in pairs(t.loss_leaves) do
    for _, own in ipairs(leaves) do
      own:zero_grad()
    end
  end
end

--- Starts a step: meters at zero.
function measure.begin(t, stage)
  for _, index in ipairs(stage.index) do
    t.meters[index]:reset()
  end
  return {}
end

-- Loss and KPI of one task on a batch. Adds to the tally; returns the loss and what it is the mean of, or nil without
-- labels.
local function task_on(t, tally, index, output, target, hold)
  local task = t.recipe.tasks[index]
  local pred = element.match(output, target)
  hold[#hold + 1] = pred
  local loss, remains = parts.call(task, t.losses[index], "compute", pred, target, parts.slots(t, index))
  hold[#hold + 1] = loss
  remains = remains or #target
  if remains == 0 then
    return nil
  end
  local value = loss:item()
  if not finite(value) then
    t:diverged(("the loss of task '%s' is %s"):format(task.name, value ~= value and "NaN" or "infinite"))
  end
  local seen = units.like_target(task.loss.type, pred)
  hold[#hold + 1] = seen
  local was = core.recording(false)
  parts.call(task, t.meters[index], "update", seen, target)
  core.recording(was)
  local m = tally[index]
  if m then
    m.loss = (m.loss * m.remains + value * remains) / (m.remains + remains)
    m.remains = m.remains + remains
  else
    tally[index] = { task = task, loss = value, remains = remains, tensor = loss }
  end
  if t.policy.soft then
    m = tally[index]
    m.soft_tensor = t.meters[index]:soft(seen, target)
    hold[#hold + 1] = m.soft_tensor
    m.soft = m.soft_tensor and m.soft_tensor:item()
  end
  return loss, remains
end

--- One forward pass over a batch of every source, and what it gave.
-- @param hold list that the step's tensors are added to
-- @return roots { value, scale = remains, row } of the task gradients of this batch; roots.through: the representation
-- that all of them read, where the policy works there
function measure.add(t, stage, tally, batches, hold)
  local roots = {}
  local through = t.policy.object.at == "representation" and #stage.index > 1
  for k, source in ipairs(t.sources) do
    local mask = source.mask & stage.mask
    if mask ~= 0 then
      local outputs, representation = t.model:forward(source:pick(batches[k]), mask, true, through)
      roots.through = representation
      for _, index in ipairs(stage.index) do
        if mask >> (index - 1) & 1 == 1 then
          local loss, remains = task_on(t, tally, index, outputs[index], batches[k][source.field[index]], hold)
          roots[#roots + 1] = loss and { value = loss, scale = remains, row = index } or nil
          hold[#hold + 1] = outputs[index]
        end
      end
    end
  end
  return roots
end

--- Losses of the tasks of a step on its batch once more: with the dropout masks and the batch statistics of the pass
-- before, and nothing moves.
-- @param hold list that the tensors are added to
-- @return list of tensors, by position in `measured`
function measure.again(t, stage, batches, measured, hold)
  local losses, source = {}, t.sources[1]
  local outputs = t.model:forward(source:pick(batches[1]), stage.mask, "again")
  for i, m in ipairs(measured) do
    local index = m.task.index
    local target = batches[1][source.field[index]]
    hold[#hold + 1] = outputs[index]
    losses[i] = t.losses[index]:compute(element.match(outputs[index], target), target, parts.slots(t, index))
    hold[#hold + 1] = losses[i]
  end
  return losses
end

--- Losses of these tasks after the step.
function measure.after(t, stage, batches, measured, hold)
  return core.no_grad(function()
    local values = {}
    for i, loss in ipairs(measure.again(t, stage, batches, measured, hold)) do
      values[i] = loss:item()
      if not finite(values[i]) then
        t:diverged(("the loss of task '%s' after the step is not finite"):format(measured[i].task.name))
      end
    end
    return values
  end)
end

--- Ends a step: the tasks that had labels, in order, with their KPIs.
-- @return list of the tally's entries, mask of their tasks
function measure.finish(t, stage, tally)
  local list, mask = {}, 0
  for _, index in ipairs(stage.index) do
    local m = tally[index]
    if m then
      local was = core.recording(false)
      local kpi = t.meters[index]:value()
      core.recording(was)
      m.kpi = kpi and finite(kpi) and kpi or nil
      list[#list + 1] = m
      mask = mask | 1 << (index - 1)
    end
  end
  return list, mask
end

return measure
