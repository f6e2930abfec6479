--- Evaluation of a split: KPIs and metrics are exact over all of it, losses are means over the labelled elements.
local core = require "mtl.core"
local element = require "mtl.element"
local units = require "mtl.units"

local evaluate = {}

local function meters(task)
  local m = { loss = 0, remains = 0, kpi = task.kpi:new(), metrics = {} }
  for i, metric in ipairs(task.metrics or {}) do
    m.metrics[i] = metric:new()
  end
  return m
end

local function update(m, task, description, output, target)
  local pred = element.match(output, target)
  local loss <close>, remains = task.loss:compute(pred, target)
  remains = remains or #target
  if remains > 0 then
    m.loss = m.loss + loss:item() * remains
    m.remains = m.remains + remains
  end
  m.kpi:update(pred, target)
  for _, metric in ipairs(m.metrics) do
    metric:update(units.own(description, pred), units.own(description, target))
  end
end

local function result(m, task)
  local r = { loss = m.remains > 0 and m.loss / m.remains or core.null, kpi = m.kpi:value() or core.null }
  if #m.metrics > 0 then
    r.metrics = {}
    for i, metric in ipairs(m.metrics) do
      r.metrics[task.metrics[i].type] = metric:value() or core.null
    end
  end
  return r
end

--- @param e { model =, set =, tasks = recipe.tasks, field = places of targets in a batch by task, inputs = places of
-- inputs }
-- @param index tasks to evaluate, by their place in the recipe
-- @param loader of the split
-- @return { left = { loss =, kpi =, metrics = { ... } }, ... }; what is undefined is core.null
function evaluate.run(e, index, loader)
  local of, mask = {}, 0
  for _, i in ipairs(index) do
    of[i] = meters(e.tasks[i])
    mask = mask | 1 << (i - 1)
  end
  core.no_grad(function()
    loader:start(false, 0, 0, 0)
    while true do
      local batch = loader:next()
      if not batch then
        break
      end
      local outputs = e.model:forward(units.pick(batch, e.inputs), mask, false)
      for _, i in ipairs(index) do
        local task = e.tasks[i]
        update(of[i], task, e.set.targets[task.target], outputs[i], batch[e.field[i]])
      end
      collectgarbage "step" -- a meter may keep what it was given, so batches are left to the collector
    end
  end)
  collectgarbage "step"
  local results = {}
  for _, i in ipairs(index) do
    results[e.tasks[i].name] = result(of[i], e.tasks[i])
  end
  return results
end

return evaluate
