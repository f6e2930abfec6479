--- One training step. The trainer owns the smoothed KPIs: they move in every step, for every task that has labels in
-- the batch, under any policy, after the forward and before the backward pass. A task without labels is absent from the
-- step: neither its KPI nor its slots move. Every tensor of a step is released at its end.
local core = require "mtl.core"
local element = require "mtl.element"
local units = require "mtl.units"

local step = {}

local function release(list)
  for i, t in pairs(list) do
    local _ <close> = t
    list[i] = nil
  end
end

local function finite(x)
  return x == x and x ~= math.huge and x ~= -math.huge
end

-- Loss, KPI and, where the policy asks for it, soft KPI of one task on this batch. nil: no labels.
local function measure(t, task, output, target, hold)
  local pred = element.match(output, target)
  hold[#hold + 1] = pred
  local loss, remains = task.loss:compute(pred, target)
  hold[#hold + 1] = loss
  if remains == 0 then
    return nil
  end
  local value = loss:item()
  if not finite(value) then
    t:diverged(("the loss of task '%s' is %s"):format(task.name, value ~= value and "NaN" or "infinite"))
  end
  local m = { task = task, tensor = loss, loss = value }
  local was = core.recording(false)
  local meter = t.meters[task.index]
  meter:reset()
  meter:update(pred, target)
  m.kpi = meter:value()
  core.recording(was)
  if m.kpi and not finite(m.kpi) then
    m.kpi = nil
  end
  if t.policy.soft then
    m.soft_tensor = meter:soft(pred, target)
    hold[#hold + 1] = m.soft_tensor
    m.soft = m.soft_tensor and m.soft_tensor:item()
  end
  return m
end

-- Moves the average at key `name`; the first value seeds it, an undefined one leaves it. Returns it and its old value.
local function smooth(averages, name, value, momentum)
  local old = averages[name]
  if value then
    averages[name] = old and momentum * old + (1 - momentum) * value or value
  end
  return averages[name], old
end

-- What a policy sees: lists by position among the tasks of this step.
local function context(t, stage, measured)
  local at = t.at
  local momentum = t.policy.object.momentum or t.recipe.kpi_momentum
  local ctx = {
    tasks = {}, index = {}, losses = {}, since = {}, kpis = {}, kpis_ema = {}, kpis_soft = {}, kpis_soft_ema = {},
    kpis_soft_old = {}, momentum = momentum, step = at.stage_step, epoch = at.epoch, stage = stage.name,
  }
  for i, m in ipairs(measured) do
    local name = m.task.name
    ctx.tasks[i], ctx.index[i], ctx.losses[i], ctx.kpis[i] = name, m.task.index, m.loss, m.kpi
    ctx.kpis_ema[i] = smooth(at.kpi_ema, name, m.kpi, momentum)
    if t.policy.soft then
      ctx.kpis_soft[i] = m.soft
      ctx.kpis_soft_ema[i], ctx.kpis_soft_old[i] = smooth(at.soft_ema, name, m.soft, momentum)
    end
    ctx.since[i] = at.since[name] or 0
    at.since[name] = ctx.since[i] + 1
  end
  return ctx
end

-- Weights by position; a policy may give them by name.
local function by_position(t, ctx, weights)
  local list = {}
  for i, name in ipairs(ctx.tasks) do
    local w = weights[i] or weights[name]
    if type(w) ~= "number" then
      error(("policy '%s' gave no weight for task '%s'"):format(t.policy.object.type, name), 0)
    elseif not finite(w) then
      t:diverged(("the weight of task '%s' under policy '%s' is %s"):format(name, t.policy.object.type, w))
    end
    list[i] = w
  end
  return list
end

-- The policy gives numbers: one sweep over the losses (and soft KPIs), each with its weight.
local function backward_by_weights(t, ctx, measured)
  local weights, through = t.policy.object:weights(ctx)
  weights = by_position(t, ctx, weights)
  local roots = {}
  for i, m in ipairs(measured) do
    if weights[i] ~= 0 then
      roots[#roots + 1] = { value = m.tensor, scale = weights[i] }
    end
    if through and through[i] and through[i] ~= 0 and m.soft_tensor then
      roots[#roots + 1] = { value = m.soft_tensor, scale = through[i] }
    end
  end
  if #roots > 0 then
    core.backward(roots)
  end
  return weights
end

-- The policy learns its weights: it gives the total as a tensor of the losses and its own leaves.
local function backward_by_total(t, ctx, measured, hold)
  local leaves = {}
  ctx.loss_tensors, ctx.learned_values = {}, {}
  for i, slot in ipairs(t.policy.learned) do
    leaves[i] = slot.tensor
    ctx.learned_values[i] = slot.tensor:item()
    slot.arena:zero_grad()
  end
  ctx.learned = core.cat(leaves, 1)
  hold[#hold + 1] = ctx.learned
  for i, m in ipairs(measured) do
    ctx.loss_tensors[i] = m.tensor
  end
  local total = t.policy.object:total(ctx)
  hold[#hold + 1] = total
  core.backward { { value = total } }
  return by_position(t, ctx, t.policy.object:weights(ctx))
end

local function update(t, mask, measured, lr)
  if t.lr_now ~= lr then
    t.optimizer:set { lr = lr }
    t.lr_now = lr
  end
  t.optimizer:step(mask, t.recipe.clip or 0)
  for _, m in ipairs(t.policy.learned and measured or {}) do
    local slot = t.policy.learned[m.task.index]
    slot.optimizer:set { lr = t.policy.object.lr or lr }
    slot.optimizer:step()
  end
end

--- Makes one step of stage `stage` on a batch (tensors: inputs, then targets). at.step and at.stage_step count it
-- already.
-- @return record of the step, for the log
function step.run(t, stage, batch)
  local hold, measured, mask = {}, {}, 0
  local outputs = t.model:forward(units.pick(batch, t.inputs), stage.mask, true)
  t.model:zero_grad()
  for _, index in ipairs(stage.index) do
    local m = measure(t, t.recipe.tasks[index], outputs[index], batch[t.field[index]], hold)
    if m then
      measured[#measured + 1] = m
      mask = mask | 1 << (index - 1)
    end
  end
  local lr = t:lr(stage)
  local record = { kind = "step", step = t.at.step, epoch = t.at.epoch, stage = stage.name, lr = lr, loss = 0 }
  record.tasks = {}
  if #measured > 0 then
    local ctx = context(t, stage, measured)
    local weights
    if t.policy.learned then
      weights = backward_by_total(t, ctx, measured, hold)
    else
      weights = backward_by_weights(t, ctx, measured)
    end
    release(hold)
    release(outputs)
    update(t, mask, measured, lr)
    if t.policy.object.after_step then
      t.policy.object:after_step(ctx)
    end
    local sum = 0
    for i, m in ipairs(measured) do
      record.loss = record.loss + weights[i] * m.loss
      sum = sum + weights[i]
      record.tasks[m.task.name] = { loss = m.loss, kpi = m.kpi or core.null, kpi_ema = ctx.kpis_ema[i] or core.null,
        kpi_soft = m.soft, weight = weights[i] }
    end
    t:watch(sum, #measured)
  end
  release(hold)
  release(outputs)
  release(batch)
  return record
end

--- A policy at work: an instance with a state of its own and, for learned weights, a leaf and an optimizer for each
-- task (so that a task that is not in a step has its weight untouched).
function step.policy(declaration, tasks, settings)
  local policy = { object = declaration:new() }
  policy.object.state = policy.object.state or {}
  policy.soft = policy.object.soft
  if policy.object.prepare then
    policy.object:prepare(tasks)
  end
  if policy.object.learned then
    policy.learned = {}
    for i, value in ipairs(policy.object:learned(#tasks)) do
      local arena = core.arena { { name = "weight", shape = { 1 }, value = value } }
      policy.learned[i] = { arena = arena, tensor = arena:parameters()[1].tensor,
        optimizer = core.optimizer(arena, settings) }
    end
  end
  return policy
end

return step
