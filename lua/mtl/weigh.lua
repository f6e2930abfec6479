--- From the losses of a step's tasks to its gradient: the policy weighs them, and one sweep, or the mix of the tasks'
-- own gradients, does the rest.
local core = require "mtl.core"
local diagnose = require "mtl.diagnose"
local gradients = require "mtl.gradients"

local weigh = {}

local function finite(x)
  return x == x and x ~= math.huge and x ~= -math.huge
end

-- Weights by position; a policy may give them by name.
local function by_position(t, ctx, weights)
  local list = {}
  for i, name in ipairs(ctx.tasks) do
    local w = weights[i] or weights[name]
    if type(w) ~= "number" then
      error(("policy '%s' gave no weight for task '%s'"):format(t.policy.object.type, name), 0)
    elseif not finite(w) then
      if not ctx.losses then
        ctx.read_losses() -- the fault may be a loss's
      end
      t:diverged(("the weight of task '%s' under policy '%s' is %s"):format(name, t.policy.object.type,
        w ~= w and "NaN" or "infinite"), ctx)
    end
    list[i] = w
  end
  return list
end

--- Whether each task's gradient is wanted by itself: for a policy on gradients, over micro-batches, or to diagnose.
function weigh.apart(t)
  return t.recipe.accumulate > 1 or t.policy.object.needs ~= "loss" or diagnose.due(t)
end

-- The policy gives numbers: one sweep over the losses (and soft KPIs), each with its weight.
local function sweep(t, ctx, measured)
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
-- @return the weights; nil where they wait for a device (weigh.learned)
local function by_total(t, ctx, losses, hold)
  local leaves = {}
  for i, own in ipairs(t.policy.learned) do
    leaves[i] = own.tensor
    own:zero_grad()
  end
  ctx.loss_tensors, ctx.learned = losses, core.cat(leaves, 1)
  hold[#hold + 1] = ctx.learned
  ctx.learned_values = core.later(ctx.learned)
  local total = t.policy.object:total(ctx)
  hold[#hold + 1] = total
  core.backward { { value = total } }
  return ctx.losses and weigh.learned(t, ctx) or nil
end

--- Weights, by position, of a policy that learns them, as they were in the step of ctx.
function weigh.learned(t, ctx)
  if type(ctx.learned_values) ~= "table" then
    ctx.learned_values = ctx.learned_values()
  end
  return by_position(t, ctx, t.policy.object:weights(ctx))
end

-- Weights of a policy on gradients, and factors of the heads' gradients where it gives them. A task alone has its own
-- gradient. `every = n` keeps the weights for n steps, as long as the tasks are the same.
local function of_gradients(t, ctx, measured, hold, work)
  local policy = t.policy.object
  if #measured == 1 then
    return { 1 }
  end
  local every, names = policy.every or 1, table.concat(ctx.tasks, ",")
  local kept = policy.state.kept
  if every > 1 and policy.needs ~= "rows" and kept and kept.tasks == names and (ctx.step - 1) % every ~= 0 then
    work.slice_of = kept.slice_of
    return kept.weights, kept.own
  end
  gradients.give(t, ctx, measured, work, hold)
  local weights, own = policy:weights(ctx)
  if work.slice_of then
    for k = 1, #ctx.slices do
      weights[k] = by_position(t, ctx, weights[k])
    end
  else
    weights = by_position(t, ctx, weights)
  end
  if policy.needs ~= "rows" then
    policy.state.kept = every > 1 and { tasks = names, weights = weights, own = own, slice_of = work.slice_of } or nil
  end
  return weights, own
end

-- Factors of the heads' gradients: what the policy gave, 1, or the weights themselves.
local function heads_of(policy, measured, weights, own)
  local list = {}
  for i = 1, #measured do
    list[i] = own and own[i] or policy.heads == "unit" and 1 or weights[i]
  end
  return list
end

-- One number for each task, for the log: the mean over slices.
local function single(weights, work)
  if not work.slice_of then
    return weights
  end
  local mean = {}
  for i = 1, #weights[1] do
    mean[i] = 0
    for k = 1, #weights do
      mean[i] = mean[i] + weights[k][i] / #weights
    end
  end
  return mean
end

-- The task gradients are there, each by itself: they are weighed and mixed.
local function mix(t, ctx, measured, mask, hold, work)
  local policy = t.policy.object
  local weights, own
  if diagnose.due(t) and not work.through then
    diagnose.log(t, ctx.tasks, gradients.gram(t, measured))
  end
  if t.policy.learned then
    local losses = {}
    for i, m in ipairs(measured) do
      losses[i] = core.full({}, m.loss):to(t.device)
      hold[#hold + 1] = losses[i]
    end
    ctx.gram = policy.needs == "gram" and gradients.gram(t, measured) or nil
    weights = by_total(t, ctx, losses, hold)
  elseif policy.needs == "loss" then
    weights = by_position(t, ctx, (policy:weights(ctx)))
  else
    weights, own = of_gradients(t, ctx, measured, hold, work)
  end
  local for_log = single(weights, work)
  gradients.mix(t, measured, mask, weights, heads_of(policy, measured, for_log, own), work)
  return for_log
end

--- Leaves the gradient of the step in the model (and in the leaves of losses and of the policy).
-- @param measured the tasks with labels, as measure.finish gives them; mask their tasks; work what gradients.sweep left
-- @return weights by position; nil where they wait for a device (weigh.learned)
function weigh.gradient(t, ctx, measured, mask, hold, work)
  if weigh.apart(t) then
    return mix(t, ctx, measured, mask, hold, work)
  elseif t.policy.learned then
    local losses = {}
    for i, m in ipairs(measured) do
      losses[i] = m.tensor
    end
    return by_total(t, ctx, losses, hold)
  end
  return sweep(t, ctx, measured)
end

return weigh
