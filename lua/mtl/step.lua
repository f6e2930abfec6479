--- One training step. The trainer owns the smoothed KPIs: they move for every step, for every task that has labels in
-- the batch, under any policy, after the forward and before the backward pass. A task without labels is absent from the
-- step: neither its KPI nor its slots move. Every tensor of a step is released at its end. A device is not waited for
-- under a policy that is blind to losses and KPIs: those of several steps are read together, when they are logged.
local core = require "mtl.core"
local gradients = require "mtl.gradients"
local leaf = require "mtl.leaf"
local measure = require "mtl.measure"
local weigh = require "mtl.weigh"

local step = {}

local MOST_UNREAD = 100 -- steps whose numbers wait for the next line of the log
local MOST_HELD = 1 << 22 -- elements that their meters hold meanwhile, as those of ranking do

local function release(list)
  for i, t in pairs(list) do
    local _ <close> = t
    list[i] = nil
  end
end

-- Moves the average at key `name`; the first value seeds it, an undefined one leaves it. Returns it and its old value.
local function smooth(averages, name, value, momentum)
  local old = averages[name]
  if value then
    averages[name] = old and momentum * old + (1 - momentum) * value or value
  end
  return averages[name], old
end

-- What a policy sees, but for what must be read: lists by position among the tasks of this step.
local function context(t, stage, measured)
  local at = t.at
  local ctx = { tasks = {}, index = {}, since = {}, momentum = t.policy.object.momentum or t.recipe.kpi_momentum,
    step = at.stage_step, epoch = at.epoch, stage = stage.name, seed = t.seed, run_step = at.step }
  for i, m in ipairs(measured) do
    local name = m.task.name
    ctx.tasks[i], ctx.index[i], ctx.since[i] = name, m.task.index, at.since[name] or 0
    at.since[name] = ctx.since[i] + 1
  end
  return ctx
end

-- The rest of it: losses and KPIs, which move the averages.
local function read(t, ctx, measured)
  ctx.losses, ctx.kpis, ctx.kpis_ema = {}, {}, {}
  ctx.kpis_soft, ctx.kpis_soft_ema, ctx.kpis_soft_old = {}, {}, {}
  for i, m in ipairs(measured) do
    local at, name = t.at, m.task.name
    measure.read(t, m, ctx)
    ctx.losses[i], ctx.kpis[i] = m.loss, m.kpi
    ctx.kpis_ema[i] = smooth(at.kpi_ema, name, m.kpi, ctx.momentum)
    if t.policy.soft then
      ctx.kpis_soft[i] = m.soft
      ctx.kpis_soft_ema[i], ctx.kpis_soft_old[i] = smooth(at.soft_ema, name, m.soft, ctx.momentum)
    end
  end
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

-- Brings losses, KPIs and weights into the record of a step.
local function complete(t, record, ctx, measured, weights)
  local sum = 0
  record.loss, record.tasks = 0, {}
  if not ctx.losses then
    read(t, ctx, measured)
  end
  weights = weights or weigh.learned(t, ctx)
  for i, m in ipairs(measured) do
    record.loss = record.loss + weights[i] * m.loss
    sum = sum + weights[i]
    record.tasks[m.task.name] = { loss = m.loss, kpi = m.kpi or core.null, kpi_ema = ctx.kpis_ema[i] or core.null,
      kpi_soft = m.soft, weight = weights[i] }
  end
  t:watch(sum, #measured)
end

--- Completes the records of the steps that were not read yet. A loss that is not finite ends the training in the first
-- step that has one.
function step.read(t)
  local unread = t.unread
  t.unread, t.held = {}, 0
  for _, one in ipairs(unread) do
    complete(t, table.unpack(one, 1, 4))
  end
end

--- Makes one step of stage `stage`. at.step and at.stage_step count it already.
-- @param draw function() -> a batch (tensors: inputs, then targets) of every source with an active task, by its place;
-- nil: the epoch is over. It is called recipe.accumulate times (or as many times as the policy wants batches), or until
-- the epoch is over.
-- @return record of the step, for the log; step.read brings losses, KPIs and weights into it
function step.run(t, stage, draw)
  local hold, kept, work, tally, apart = {}, {}, {}, measure.begin(t, stage), weigh.apart(t)
  local record = { kind = "step", step = t.at.step, epoch = t.at.epoch, stage = stage.name, lr = t:lr(stage), loss = 0,
    tasks = {} }
  local batches, weights, ctx
  measure.zero_grad(t)
  for _ = 1, t.recipe.accumulate * t.policy.object.batches do
    batches = draw()
    if not batches then
      break
    elseif t.policy.object.batches > 1 then
      tally = measure.begin(t, stage) -- the last of them is the step's; the others only serve its weights
    end
    local roots = measure.add(t, stage, tally, batches, hold)
    hold[#hold + 1] = roots.through
    local until_when = t.policy.object.wants_after and kept or hold
    for _, batch in pairs(batches) do
      table.move(batch, 1, #batch, #until_when + 1, until_when)
    end
    if apart then
      gradients.sweep(t, stage, batches, roots, work)
      release(work.through and {} or hold)
    end
  end
  local measured, mask = measure.finish(stage, tally)
  if #measured > 0 then
    ctx = context(t, stage, measured)
    function ctx.read_losses()
      step.read(t)
      read(t, ctx, measured)
    end
    if t.on_cpu or not t.policy.object.blind or apart and t.policy.learned then
      ctx.read_losses()
    end
    weights = weigh.gradient(t, ctx, measured, mask, hold, work)
    release(hold)
    update(t, mask, measured, record.lr)
    if t.policy.object.wants_after then
      ctx.losses_after = measure.after(t, stage, batches, measured, hold)
    end
    if t.policy.object.after_step then
      t.policy.object:after_step(ctx)
    end
  end
  release(hold)
  release(kept)
  release { work.cotangents, work.rows }
  if #measured > 0 then
    t.unread[#t.unread + 1] = { record, ctx, measured, weights }
    for _, m in ipairs(measured) do
      t.held = t.held + m.meter:holds()
    end
    if ctx.losses or #t.unread == MOST_UNREAD or t.held > MOST_HELD then
      step.read(t)
    end
  end
  return record
end

--- A policy at work: an instance with a state of its own and, for learned weights, a leaf for each task.
function step.policy(declaration, tasks, settings, device)
  local policy = { object = declaration:new() }
  policy.object.state = policy.object.state or {}
  policy.soft = policy.object.soft
  if policy.object.prepare then
    policy.object:prepare(tasks)
  end
  if policy.object.learned then
    policy.learned = {}
    for i, value in ipairs(policy.object:learned(#tasks)) do
      policy.learned[i] = leaf.new({ name = tasks[i].name, value = value }, settings, device)
    end
  end
  return policy
end

return step
