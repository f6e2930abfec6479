--- The tasks of a recipe: checked, with their defaults, in order; `index` is a task's place, bit index - 1 of masks
-- its own.
local check = require "mtl.recipe.check"
local declare = require "mtl.declare"
local param = require "mtl.param"

local tasks = {}

tasks.keys = {
  name = { required = true, type = "string" },
  head = { type = "nn" },
  loss = { required = true, type = "loss" },
  kpi = { type = "kpi" },
  metrics = { default = {}, type = "table" },
  target = { type = "string" },
  data = { type = "data" },
}

local of_classes = { cross_entropy = true, binary_cross_entropy = true, focal = true, class_balanced = true }

local function default_kpi(task, fail)
  if not of_classes[task.loss.type] then
    fail(("task '%s': kpi is missing; with loss.%s it may be kpi.r2(), kpi.within(tolerance), kpi.normalized { ... }")
      :format(task.name, task.loss.type), task.name)
  end
  return require "mtl.kpi".accuracy()
end

-- What a metric is called in results: its type, and its first argument where several are of that type.
local function metric_name(metrics, metric)
  local n, first = 0, (declare.definition(metric).positional or {})[1]
  for _, other in ipairs(metrics) do
    n = declare.is(other) and other.type == metric.type and n + 1 or n
  end
  return n > 1 and first and ("%s_%s"):format(metric.type, tostring(metric[first])) or metric.type
end

local function has(list, value)
  for _, v in ipairs(list) do
    if v == value then
      return true
    end
  end
  return false
end

local function read_task(task, i, r, fail)
  local name = param.plain(task) and task.name
  local where = "task " .. (check.quoted(name) or i)
  check.keys(task, tasks.keys, where, fail, check.quoted(name) and name or "tasks")
  if not name:find "^[%a_][%w_%-]*$" then
    fail(("%s: name should be letters, digits, _ and -, beginning with a letter"):format(where), name)
  elseif (task.head == nil) == (r.trunk ~= nil) then
    fail(r.trunk and where .. ": head is missing; it should be a layer, as nn.linear(nil, 10)"
      or where .. ": a recipe with `model` has its heads in it", r.trunk and name or task.head)
  end
  if not task.data and not r.data then
    fail(where .. ": data is missing; the recipe has no `data` that all tasks read, and this task none of its own",
      name)
  end
  task.index, task.target = i, task.target or name
  task.kpi = task.kpi or default_kpi(task, fail)
  local ignore = task.loss.ignore
  if ignore and ignore ~= -1 and task.kpi.ignore == nil and declare.definition(task.kpi).params.ignore then
    task.kpi = assert(declare.with(task.kpi, "ignore", ignore))
  end
  task.metric_names = {}
  check.list(task.metrics, where .. ": metrics", fail, name)
  for _, metric in ipairs(task.metrics) do
    if not (declare.is(metric, "metric") or declare.is(metric, "kpi")) then
      fail(("%s: metrics holds %s, which should be a metric or kpi"):format(where, param.show(metric)), "metrics", name)
    end
    local key = metric_name(task.metrics, metric)
    if has(task.metric_names, key) then
      fail(("%s: metrics has '%s' twice"):format(where, key), metric)
    end
    table.insert(task.metric_names, key)
  end
end

--- @return tasks by name
function tasks.read(r, fail)
  local by_name, own_data = {}, true
  check.list(r.tasks, "tasks", fail, "tasks")
  if #r.tasks == 0 or #r.tasks > 64 then
    fail(("tasks is a list of %d tasks, which should be 1 to 64"):format(#r.tasks), "tasks")
  end
  for i, task in ipairs(r.tasks) do
    read_task(task, i, r, fail)
    own_data = own_data and task.data ~= nil
    if by_name[task.name] then
      fail(("tasks %d and %d are both named '%s'"):format(by_name[task.name].index, i, task.name), task.name)
    end
    by_name[task.name] = task
  end
  if r.data and own_data then
    fail("data is read by no task: every task has data of its own", r.data)
  end
  return by_name
end

return tasks
