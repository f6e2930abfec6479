--- Evaluation of a split: KPIs and metrics are exact over all of it, losses are means over the labelled elements.
local core = require "mtl.core"
local counts = require "mtl.counts"
local element = require "mtl.element"
local parts = require "mtl.parts"
local units = require "mtl.units"

local evaluate = {}

local function meters(task)
  local m = { counts = { loss = 0 }, remains = 0, kpi = task.kpi:new(), metrics = {} }
  for i, metric in ipairs(task.metrics or {}) do
    m.metrics[i] = metric:new()
  end
  return m
end

local function update(m, task, loss_of, slots, description, output, target)
  local pred = element.match(output, target)
  local loss <close>, remains = parts.call(task, loss_of, "compute", pred, target, slots)
  remains = remains or #target
  if remains > 0 then
    counts.add(m, function(own, x)
      own.loss = own.loss + x[1] * remains
    end, loss)
    m.remains = m.remains + remains
  end
  pred = units.like_target(loss_of.type, pred)
  parts.call(task, m.kpi, "update", pred, target)
  for _, metric in ipairs(m.metrics) do
    parts.call(task, metric, "update", units.own(description, pred), units.own(description, target))
  end
end

local function result(m, task)
  local r = { loss = m.remains > 0 and counts.of(m).loss / m.remains or core.null, kpi = m.kpi:value() or core.null }
  if #m.metrics > 0 then
    r.metrics = {}
    for i, metric in ipairs(m.metrics) do
      r.metrics[task.metric_names[i]] = metric:value() or core.null
    end
  end
  return r
end

-- One source's tasks over a split.
local function run_source(t, source, split, of, limit, watch)
  local loader, mask = source:split(split), 0
  for _, i in ipairs(source.tasks) do
    mask = of[i] and mask | 1 << (i - 1) or mask
  end
  if not loader or mask == 0 then
    return
  end
  loader:start(false, 0, 0, 0)
  local made = 0
  while not limit or made < limit do
    if t.on_signal and core.interrupted() then
      t:on_signal()
    end
    local batch = loader:next(t.device, source.field)
    if not batch then
      break
    end
    made = made + 1
    local outputs = t.model:forward(source:pick(batch), mask, false)
    for _, i in ipairs(source.tasks) do
      if of[i] then
        local task = t.recipe.tasks[i]
        update(of[i], task, t.losses[i], parts.slots(t, i), source.set.targets[task.target], outputs[i],
          batch[source.field[i]])
      end
    end
    if watch then
      watch:batch(t, source, split, batch, outputs)
    end
    collectgarbage "step" -- a meter may keep what it was given, so batches are left to the collector
  end
end

--- Evaluates tasks on a split of their data.
-- @param t a training (see training.lua)
-- @param split "train", "valid" or "test"
-- @param index tasks, by their place in the recipe
-- @param limit batches at most; nil: all
-- @param watch sees every batch with the outputs for it (see report/outcome.lua); nil: nobody
-- @return { left = { loss =, kpi =, metrics = { ... } }, ... }; what is undefined is core.null
function evaluate.run(t, split, index, limit, watch)
  local of = {}
  for _, i in ipairs(index) do
    of[i] = meters(t.recipe.tasks[i])
  end
  core.no_grad(function()
    for _, source in ipairs(t.sources) do
      run_source(t, source, split, of, limit, watch)
    end
  end)
  collectgarbage "step"
  local results = {}
  for _, i in ipairs(index) do
    results[t.recipe.tasks[i].name] = result(of[i], t.recipe.tasks[i])
  end
  return results
end

return evaluate
