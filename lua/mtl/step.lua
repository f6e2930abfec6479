--- One training step. The trainer owns the smoothed KPIs: they move in every step, for every task that has labels in
-- the batch, under any policy, after the forward and before the backward pass. A task without labels is absent from the
-- step: neither its KPI nor its slots move. Every tensor of a step is released at its end.
local core = require "mtl.core"
local leaf = require "mtl.leaf"
local measure = require "mtl.measure"

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
local function backward_by_total(t, ctx, losses, hold)
  local leaves = {}
  ctx.loss_tensors, ctx.learned_values = losses, {}
  for i, own in ipairs(t.policy.learned) do
    leaves[i] = own.tensor
    ctx.learned_values[i] = own.tensor:item()
    own:zero_grad()
  end
  ctx.learned = core.cat(leaves, 1)
  hold[#hold + 1] = ctx.learned
  local total = t.policy.object:total(ctx)
  hold[#hold + 1] = total
  core.backward { { value = total } }
  return by_position(t, ctx, t.policy.object:weights(ctx))
end

-- The task gradients of all micro-batches are there, each summed over its labels: they are weighed and mixed.
local function mix(t, ctx, measured, mask, hold)
  local weights
  if t.policy.learned then
    local losses = {}
    for i, m in ipairs(measured) do
      losses[i] = core.full({}, m.loss)
      hold[#hold + 1] = losses[i]
    end
    weights = backward_by_total(t, ctx, losses, hold)
  else
    weights = by_position(t, ctx, (t.policy.object:weights(ctx)))
  end
  local each = {}
  for i = 1, #t.recipe.tasks do
    each[i] = 0
  end
  for i, m in ipairs(measured) do
    each[m.task.index] = weights[i] / m.remains
    for _, own in ipairs(t.loss_leaves[m.task.index] or {}) do
      own:scale(each[m.task.index])
    end
  end
  core.mix(t.model, mask, each)
  return weights
end

local function weigh(t, ctx, measured, mask, hold)
  if t.recipe.accumulate > 1 then
    return mix(t, ctx, measured, mask, hold)
  elseif t.policy.learned then
    local losses = {}
    for i, m in ipairs(measured) do
      losses[i] = m.tensor
    end
    return backward_by_total(t, ctx, losses, hold)
  end
  return backward_by_weights(t, ctx, measured)
end

local function update(t, mask, measured, lr)
  if t.lr_now ~= lr then
    t.optimizer:set { lr = lr }
    t.lr_now = lr
  end
  t.optimizer:step(mask, t.recipe.clip or 0)
  for _, m in ipairs(measured) do
    if t.policy.learned then
      t.policy.learned[m.task.index]:step(t.policy.object.lr or lr)
    end
    for _, own in ipairs(t.loss_leaves[m.task.index] or {}) do
      own:step(lr)
    end
  end
end

local function record_of(t, stage, lr, ctx, measured, weights)
  local record = { kind = "step", step = t.at.step, epoch = t.at.epoch, stage = stage.name, lr = lr, loss = 0,
    tasks = {} }
  local sum = 0
  for i, m in ipairs(measured) do
    record.loss = record.loss + weights[i] * m.loss
    sum = sum + weights[i]
    record.tasks[m.task.name] = { loss = m.loss, kpi = m.kpi or core.null, kpi_ema = ctx.kpis_ema[i] or core.null,
      kpi_soft = m.soft, weight = weights[i] }
  end
  return record, sum
end

--- Makes one step of stage `stage`. at.step and at.stage_step count it already.
-- @param draw function() -> a batch (tensors: inputs, then targets) of every source with an active task, by its place;
-- nil: the epoch is over. It is called recipe.accumulate times, or until the epoch is over.
-- @return record of the step, for the log
function step.run(t, stage, draw)
  local hold, tally, weights, ctx = {}, measure.begin(t, stage), nil, nil
  t.model:zero_grad()
  for _, leaves in pairs(t.loss_leaves) do
    for _, own in ipairs(leaves) do
      own:zero_grad()
    end
  end
  for _ = 1, t.recipe.accumulate do
    local batches = draw()
    if not batches then
      break
    end
    local roots = measure.add(t, stage, tally, batches, hold)
    for _, batch in pairs(batches) do
      for _, tensor in pairs(batch) do
        hold[#hold + 1] = tensor
      end
    end
    if t.recipe.accumulate > 1 then
      if #roots > 0 then
        core.backward(roots, #t.recipe.tasks)
      end
      release(hold)
    end
  end
  local measured, mask = measure.finish(t, stage, tally)
  local lr = t:lr(stage)
  if #measured > 0 then
    ctx = context(t, stage, measured)
    weights = weigh(t, ctx, measured, mask, hold)
    release(hold)
    update(t, mask, measured, lr)
    if t.policy.object.after_step then
      t.policy.object:after_step(ctx)
    end
  end
  release(hold)
  local record, sum = record_of(t, stage, lr, ctx, measured, weights)
  if #measured > 0 then
    t:watch(sum, #measured)
  end
  return record
end

--- A policy at work: an instance with a state of its own and, for learned weights, a leaf for each task.
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
      policy.learned[i] = leaf.new({ name = tasks[i].name, value = value }, settings)
    end
  end
  return policy
end

return step
