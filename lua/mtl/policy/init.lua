--- Policies: how much each task weighs in a step. A policy is a function of small plain numbers: `weights(self, ctx)
-- -> w [, c]`: the gradient of the step is the sum of w[i] dL[i] + c[i] dk[i], k the soft KPIs. ctx holds lists by
-- position among the step's tasks: tasks (names), index (places in the recipe), losses, kpis, kpis_ema, kpis_soft,
-- kpis_soft_ema, kpis_soft_old (the average before this step; nil where this step seeds it), since (steps that the
-- task has been active, this one not counted); and momentum, step (of the stage, from 1), run_step, epoch, stage, seed,
-- gram. A KPI that is undefined is nil. It may be called by hand: policy.focal():weights { kpis_ema = { 0.1, 0.9 } }.
--
-- A definition may have: paper; needs, what of the task gradients it works on: "loss" nothing; "gram" ctx.gram[i][j] =
-- <g_i, g_j>; "slice_gram" ctx.slices, a list of those by layers, and it gives a list of weights for each; "rows"
-- ctx.rows, a tensor [T, ...] of the gradients, which it may rewrite in place (rows[i]:copy_, add_, mul_). at: "shared"
-- (over the shared parameters), "last_shared" (of the last shared layer), "representation" (at the tensor that all
-- tasks read, ctx.representation). heads: "weighted" or "unit", what a head's gradient is multiplied with; `weights`
-- may give those factors as a second list. batches = 3: ctx.gram is of the rows of a first and the columns of a second
-- batch, the step of a third. soft (true: ctx.kpis_soft is wanted); positive (true: losses must not be below 0);
-- blind (true: `weights` reads neither losses nor KPIs, so that the trainer need not wait for a device);
-- after_step(self, ctx); wants_after (true: after_step finds ctx.losses_after, the losses of the same batch after the
-- step); on_epoch(self, ctx); names_wrong(self, known, tasks) -> message; prepare(self, tasks): told the recipe's
-- tasks, { name, loss, kpi }, once. What it keeps in self.state, plain values and tensors, is part of checkpoints.
-- Learned weights: `learned(self, n) -> values to start from`, and `total(self, ctx) -> scalar tensor` of
-- ctx.loss_tensors and ctx.learned (a leaf for all n tasks: element ctx.index[i] is task i's).
local core = require "mtl.core"
local declare = require "mtl.declare"
local nearest = require "mtl.nearest"

local methods = { needs = "loss", at = "shared", heads = "weighted", batches = 1, soft = false, positive = false }

--- How many tasks a context speaks of.
function methods.count(_, ctx)
  for _, name in ipairs { "tasks", "losses", "kpis_ema", "kpis", "gram" } do
    if ctx[name] then
      local n = 0 -- lists may have holes
      for i in pairs(ctx[name]) do
        n = math.max(n, i)
      end
      return n
    end
  end
  if ctx.rows then
    return #ctx.rows
  end
  error("weights: the context should have tasks, losses or KPIs", 0)
end

--- A tensor of n numbers in [0, 1) from the policy's own stream, by the run's step; a further call in the step goes on
-- from there.
function methods.uniform(self, ctx, n)
  local first = ((ctx.run_step or ctx.step or 1) << 32) + (ctx.drawn or 0)
  ctx.drawn = (ctx.drawn or 0) + (n + 3) // 4
  return core.uniform_(core.zeros(n), ctx.seed or 1, "policy/" .. self.type, first, 0, 1)
end

--- The same as a list.
function methods.draws(self, ctx, n)
  return self:uniform(ctx, n):totable()
end

local family = declare.family("policy", { methods = methods, stateful = true })

-- What is wrong with the tasks that options by task name, or nil.
local function unknown_task(policy, known)
  for option, spec in pairs(declare.definition(policy).params) do
    if (spec.type or ""):find "by_task" and type(policy[option]) == "table" then
      for name in pairs(policy[option]) do
        if not known[name] then
          return ("policy.%s: %s%s"):format(policy.type, option == declare.definition(policy).gather and ""
            or option .. ": ", nearest.unknown("task", name, known))
        end
      end
    end
  end
end

--- Whether a policy can weigh these tasks. @param tasks of the stage, a list of { name, loss, kpi }
-- @param known all tasks of the recipe, by name: a policy may speak of those too
-- @return nil, or the reason why not
function family.check(policy, tasks, known)
  for _, task in ipairs(tasks) do
    if task.loss.negative and policy.positive then
      return ("policy.%s cannot weigh task '%s': its loss may be negative"):format(policy.type, task.name)
    elseif policy.soft and not task.kpi.soft then
      return ("policy.%s goes through the KPI, but kpi.%s of task '%s' has no differentiable form"):format(policy.type,
        task.kpi.type, task.name)
    end
  end
  return unknown_task(policy, known) or policy.names_wrong and policy:names_wrong(known, tasks) or nil
end

--- What a policy does not go with, by key of the recipe, and why: accumulate; data, a data set for each task; diagnose.
function family.excludes(policy)
  local why = policy.wants_after and "looks at one batch twice" or policy.batches > 1 and "draws three batches a step"
    or policy.at == "representation" and "works on the gradients of one representation" or nil
  return { accumulate = why or policy.soft and "needs the whole batch at once" or nil,
    data = policy.batches == 1 and why or nil, diagnose = policy.soft and "mixes losses and KPIs in one sweep" or nil }
end

return family
