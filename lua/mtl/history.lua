--- What a policy keeps of each task in its state, which is part of checkpoints: plain values by the task's name (by
-- hand, without names: by its place) or tensors. A task's history starts anew when the task becomes active, so it is
-- asked for once a step.
local core = require "mtl.core"

local history = {}

--- The history of task i of a step. @param start function() -> a new one
function history.of(policy, ctx, i, start)
  local state = policy.state
  state.tasks = state.tasks or {}
  local name = ctx.tasks and ctx.tasks[i] or tostring(i)
  if not state.tasks[name] or ctx.since and ctx.since[i] == 0 then
    state.tasks[name] = start()
  end
  return state.tasks[name]
end

--- Takes a task's history away from a policy's state (and that of the policy within), and the weights that it keeps.
function history.forget(state, name)
  state.kept = nil
  if state.tasks then
    state.tasks[name] = nil
  end
  if state.inner then
    history.forget(state.inner, name)
  end
end

local function nothing()
  return {}
end

--- The histories of all tasks of a step, by position; new ones are empty.
function history.all(policy, ctx)
  local list = {}
  for i = 1, policy:count(ctx) do
    list[i] = history.of(policy, ctx, i, nothing)
  end
  return list
end

--- Moves a task's average of its gradients, from 0, and puts it in the gradient's place: average <- keep average +
-- take g. @param g a row of ctx.rows
function history.average(h, g, keep, take)
  h.average = h.average or core.zeros(table.unpack(g:shape())):to(g:device())
  h.average:mul_(keep):add_(g, take)
  g:copy_(h.average)
end

--- Adds the loss of this step to a history: afterwards it has `epochs` (how many it has seen, this one too), `last` and
-- `before`, the mean losses of the epoch before this one and of the one before that. Without ctx.epoch all steps are
-- of one epoch.
function history.add_loss(h, ctx, i)
  local epoch = ctx.epoch or 1
  if epoch ~= h.epoch then
    h.before, h.last = h.last, h.epoch and h.sum / h.n
    h.epoch, h.epochs, h.sum, h.n = epoch, (h.epochs or 0) + 1, 0, 0
  end
  h.sum, h.n = h.sum + ctx.losses[i], h.n + 1
end

return history
