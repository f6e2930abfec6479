--- The stages of a recipe: checked, each with a policy, an optimizer and an end of its own.
local check = require "mtl.recipe.check"
local declare = require "mtl.declare"
local nearest = require "mtl.nearest"
local param = require "mtl.param"
local when = require "mtl.when"

local stages = {}

stages.keys = {
  name = { type = "string" },
  tasks = { type = "strings" },
  policy = { type = "policy" },
  ends = { required = true, type = "when" },
  max_epochs = { type = "size" },
  optimizer = { type = "optim" },
  freeze = { type = "string or strings" },
  reset_optimizer = { default = false, type = "boolean" },
}

local function check_ends(stage, where, active, by_name, fail)
  for _, name in ipairs(stage.ends:reads()) do
    if not active[name] then
      fail(by_name[name] and ("%s: ends reads the KPI of task '%s', which it does not train"):format(where, name)
        or ("%s: ends: %s"):format(where, nearest.unknown("task", name, active)), stage.ends)
    end
  end
  if not stage.ends:length(1) and not stage.max_epochs then
    fail(("%s may never end: ends waits for a KPI alone; add max_epochs = n, or | when.epochs(n)"):format(where),
      stage.ends)
  end
end

local function read_stage(stage, i, r, by_name, prepared, fail)
  local name = param.plain(stage) and stage.name
  local where = "stage " .. (check.quoted(name) or i)
  check.keys(stage, stages.keys, where, fail, check.quoted(name) and name or "stages")
  stage.name = name or "stage " .. i
  stage.index, stage.mask = {}, 0
  if not stage.tasks then
    stage.tasks = {}
    for t, task in ipairs(r.tasks) do
      stage.tasks[t] = task.name
    end
  elseif #stage.tasks == 0 then
    fail(("%s: tasks is empty"):format(where), "tasks", name)
  end
  local active, tasks = {}, {}
  for t, task_name in ipairs(stage.tasks) do
    local task = by_name[task_name]
    if not task then
      fail(("%s: %s"):format(where, nearest.unknown("task", task_name, by_name)), task_name, name or "stages")
    elseif active[task_name] then
      fail(("%s: tasks has '%s' twice"):format(where, task_name), task_name, name)
    end
    active[task_name], tasks[t], stage.index[t] = true, task, task.index
    stage.mask = stage.mask | 1 << (task.index - 1)
  end
  local policy = stage.policy or #tasks > 1 and r.policy or r.uniform
  local wrong = require "mtl.policy".check(policy, tasks, by_name)
  if wrong then
    fail(("%s: %s"):format(where, wrong), policy)
  end
  if policy.prepare and not prepared[policy] then
    prepared[policy] = declare.copy(policy)
    prepared[policy]:prepare(r.tasks)
  end
  stage.policy = prepared[policy] or policy
  check_ends(stage, where, active, by_name, fail)
  stage.optimizer = stage.optimizer or r.optimizer
  stage.freeze = type(stage.freeze) == "string" and { stage.freeze } or stage.freeze or {}
end

-- The end of one stage that lasts as long as all of a list do at most. @param what `only` or `flat`, for messages
local function all_along(what, list, fail)
  local epochs, steps = 0, 0
  for _, stage in ipairs(list) do
    local function most(per_epoch)
      return math.min(stage.ends:length(per_epoch) or math.huge, (stage.max_epochs or math.huge) * per_epoch)
    end
    if most(1e9) == 1e9 * most(1) then
      epochs = epochs + most(1)
    elseif most(1e9) == most(1) then
      steps = steps + most(1)
    else
      fail(("%s: stage '%s' ends after epochs or steps, whichever come first, so its length is not known"):format(what,
        stage.name), stage.ends)
    end
  end
  if epochs > 0 and steps > 0 then
    fail(("%s: the stages are counted in epochs and in steps, which do not add up"):format(what),
      what:match "^%a+")
  end
  return epochs > 0 and when.epochs(math.tointeger(epochs)) or when.steps(math.tointeger(steps))
end

-- only = NAME: in place of the stages one, of this task alone, under uniform, with the recipe's optimizer.
local function alone(r, by_name, fail)
  local task, list = by_name[r.only], {}
  if not task then
    fail(("only: %s"):format(nearest.unknown("task", r.only, by_name)), "only")
  end
  for _, stage in ipairs(r.stages) do
    if stage.mask >> (task.index - 1) & 1 == 1 then
      list[#list + 1] = stage
    end
  end
  if #list == 0 then
    fail(("only: no stage trains task '%s'"):format(task.name), "only")
  end
  r.stages = { { name = task.name, tasks = { task.name }, index = { task.index }, mask = 1 << (task.index - 1),
    policy = r.uniform, ends = all_along(("only = '%s'"):format(task.name), list, fail), optimizer = r.optimizer,
    freeze = {}, reset_optimizer = false } }
end

-- --set of the recipe's policy, where every stage that has something to weigh has its own, would change nothing.
-- @param own place of the first such stage, or nil
local function refuse_unused_policy(r, own, fail)
  for _, entry in ipairs(r.set) do
    if entry[1]:find "^policy%f[.\0]" then
      local why = own and ("stages have policies of their own; --set stages.%d.%s=%s changes that of stage '%s'")
        :format(own, entry[1], entry[2], r.stages[own].name) or "no stage trains more than one task"
      fail(("--set %s=%s would change nothing: %s"):format(entry[1], entry[2], why))
    end
  end
end

--- Reads stages, or makes the one that a recipe without them has.
function stages.read(r, by_name, fail)
  if r.stages and r.ends then
    fail("ends: a recipe with stages gives `ends` to each of them", r.ends)
  elseif not r.stages and not r.ends then
    fail "ends is missing; say how long to train, as ends = when.epochs(10), or give stages"
  end
  r.uniform, r.staged = require "mtl.policy".uniform(), r.stages ~= nil
  r.stages = r.stages or { { name = "all", policy = r.policy, ends = r.ends } }
  check.list(r.stages, "stages", fail, "stages")
  if #r.stages == 0 then
    fail("stages is an empty list", "stages")
  end
  local prepared, names, own, served = {}, {}, nil, not r.staged or r.flat or r.only
  for i, stage in ipairs(r.stages) do
    local policy = param.plain(stage) and stage.policy
    read_stage(stage, i, r, by_name, prepared, fail)
    served = served or not policy and #stage.tasks > 1 -- by the recipe's policy
    own = own or policy and #stage.tasks > 1 and i
    if names[stage.name] then
      fail(("stages %d and %d are both named '%s'"):format(names[stage.name], i, stage.name), stage.name)
    end
    names[stage.name] = i
  end
  if not served and not r.kept then
    refuse_unused_policy(r, own, fail)
  end
  if r.flat and r.staged then -- in place of the stages one, of all tasks, under the recipe's policy and optimizer
    r.stages, r.staged = { { name = "all", ends = all_along("flat", r.stages, fail) } }, false
    read_stage(r.stages[1], 1, r, by_name, prepared, fail)
  end
  if r.only then
    alone(r, by_name, fail)
  end
  r.policy, r.ends, r.uniform = nil, nil, nil -- every stage has its own now
end

--- Refuses a stage that freezes what is not there, or all that its tasks would train.
-- @param model with its parameters made
function stages.check_freeze(r, model, fail)
  local parameters, all, top = model:parameters(), {}, {}
  for _, p in ipairs(parameters) do
    local name = p.name
    top[name:match "^[^.]*"] = true
    while name do -- trunk.1.weight, trunk.1, trunk
      all[name], name = true, name:match "^(.*)%."
    end
  end
  for _, stage in ipairs(r.stages) do
    local left = 0
    for _, p in ipairs(parameters) do
      local frozen = false
      for _, prefix in ipairs(stage.freeze) do
        frozen = frozen or prefix == "" or (p.name .. "."):sub(1, #prefix + 1) == prefix .. "."
      end
      left = left | (frozen and 0 or p.tasks & stage.mask)
    end
    for _, prefix in ipairs(stage.freeze) do
      if prefix ~= "" and not all[prefix] then
        fail(("stage '%s': freeze: no parameter lies below '%s'%s"):format(stage.name, prefix,
          nearest.hint(prefix, nearest.find(prefix, all) and all or top)), "freeze", stage.name)
      end
    end
    if left == 0 and #stage.freeze > 0 then
      fail(("stage '%s': freeze leaves nothing to train for its tasks"):format(stage.name), "freeze", stage.name)
    end
  end
end

--- Refuses policies through the KPI where the recipe sums the gradients of several sweeps.
function stages.check_soft(r, fail)
  for _, stage in ipairs(r.stages) do
    local excludes = require "mtl.policy".excludes(stage.policy)
    local key = stage.policy.soft and (r.accumulate > 1 and "accumulate" or r.diagnose > 0 and "diagnose")
    if key then
      fail(("stage '%s': through_kpi %s, so it does not go with %s = %d"):format(stage.name, excludes[key], key,
        r[key]), stage.policy)
    end
  end
end

return stages
