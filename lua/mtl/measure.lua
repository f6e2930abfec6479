--- Losses and KPIs of the batches of one step. A tally, by task: { task, meter, remains, tensor, soft_tensor }, and,
-- once the numbers were read from the device, loss, kpi, soft. Over several micro-batches losses are summed by their
-- labels, and KPIs are those of all of them.
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

--- Starts a step: meters at zero, new ones while those of earlier steps were not read.
function measure.begin(t, stage)
  for _, index in ipairs(stage.index) do
    if #t.unread > 0 then
      t.meters[index] = t.meters[index]:new()
    else
      t.meters[index]:reset()
    end
  end
  return {}
end

local function not_finite(t, task, value, ctx)
  t:diverged(("the loss of task '%s' is %s"):format(task.name, value ~= value and "NaN" or "infinite"), ctx)
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
  local value = core.later(loss)
  if type(value) == "table" and not finite(value[1]) then
    not_finite(t, task, value[1])
  end
  local seen = units.like_target(task.loss.type, pred)
  hold[#hold + 1] = seen
  local was = core.recording(false)
  parts.call(task, t.meters[index], "update", seen, target)
  core.recording(was)
  local m = tally[index] or { task = task, meter = t.meters[index], remains = 0, tensor = loss, losses = {} }
  tally[index] = m
  m.losses[#m.losses + 1] = { value, remains }
  m.remains = m.remains + remains
  if t.policy.soft then
    m.soft_tensor = t.meters[index]:soft(seen, target)
    hold[#hold + 1] = m.soft_tensor
    m.soft = m.soft_tensor and core.later(m.soft_tensor)
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

--- Ends a step: the tasks that had labels, in order.
-- @return list of the tally's entries, mask of their tasks
function measure.finish(stage, tally)
  local list, mask = {}, 0
  for _, index in ipairs(stage.index) do
    if tally[index] then
      list[#list + 1] = tally[index]
      mask = mask | 1 << (index - 1)
    end
  end
  return list, mask
end

local function number(later)
  return (type(later) == "table" and later or later())[1]
end

--- Loss, KPI and soft KPI of an entry of the tally, for which a device may have to be waited for.
-- @param ctx of its step, which a loss that is not finite is said of
function measure.read(t, m, ctx)
  local sum = 0
  for _, part in ipairs(m.losses) do
    local value = number(part[1])
    if not finite(value) then
      not_finite(t, m.task, value, ctx)
    end
    sum = sum + value * (part[2] / m.remains)
  end
  local was = core.recording(false)
  local kpi = parts.call(m.task, m.meter, "value")
  core.recording(was)
  m.loss, m.kpi, m.soft = sum, kpi and finite(kpi) and kpi or nil, m.soft and number(m.soft)
end

return measure
