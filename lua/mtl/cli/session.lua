--- A training at hand, for the prompt: made step by step as `mtl run` makes it, to the same bits, and nothing is
-- written. Its policy may be swapped between steps; optimizer and smoothed KPIs go on.
local core = require "mtl.core"
local checkpoint = require "mtl.checkpoint"
local curve = require "mtl.cli.curve"
local declare = require "mtl.declare"
local setup = require "mtl.setup"
local source = require "mtl.source"
local stages = require "mtl.recipe.stages"
local step = require "mtl.step"
local training = require "mtl.training"

local session = {}
session.__index = session

local nowhere = { write = function() end, sync = function() end, bytes = 0 }

-- A new training, at hand.
local function take(self, t)
  self.t, t.log, t.at.best = t, nowhere, nil
  t.progress = { warn = function(_, message)
    self.warning = message
  end }
end

-- A run whose stages are over goes on in the last of them.
local function stay(self)
  local at, last = self.t.at, #self.t.recipe.stages
  if at.stage > last then
    local done = at.stages[#at.stages] or { steps = 1, epochs = 0 }
    at.stage, at.stage_step, at.stage_epoch = last, math.max(done.steps, 1), done.epochs
    self.over = true
  end
end

--- A session; `warning` is what there is to warn of, until somebody has taken it.
-- @param options seed, device, data_dir, folder: as trainings have them
-- @param saved a checkpoint to begin from, or nil
function session.new(recipe, options, saved)
  local self = setmetatable({ options = options, recipe = recipe, own = {}, loaders = {} }, session)
  take(self, training.new(recipe, options, saved))
  stay(self)
  local names = {}
  for i, task in ipairs(recipe.tasks) do
    names[i] = task.name
  end
  self.curve = curve.new(names)
  return self
end

-- Makes the epoch ready that the next step belongs to.
local function begin(self)
  local t, at = self.t, self.t.at
  self.stage = t:enter()
  if at.batch == 0 then
    at.epoch = at.epoch + 1
  end
  self.draw = source.draw(t, self.stage)
end

local function kpis_of(results)
  local kpis = {}
  for name, r in pairs(results or {}) do
    kpis[name] = r.kpi ~= core.null and r.kpi or nil
  end
  return kpis
end

local function end_epoch(self, over)
  local t, at, stage = self.t, self.t.at, self.stage
  at.stage_epoch, at.batch, self.draw = at.stage_epoch + 1, 0, nil
  if not over and not self.over then
    local valid = #stage.ends:reads() > 0 and t:evaluate("valid", stage.index) or nil
    over = stage.ends:done(at.when, { steps = at.stage_step, epochs = at.stage_epoch, epoch_end = true,
      kpis = kpis_of(valid) }) or at.stage_epoch >= (stage.max_epochs or math.huge)
  end
  if t.policy.object.on_epoch then
    t.policy.object:on_epoch { tasks = stage.tasks, index = stage.index, step = at.stage_step, epoch = at.epoch,
      stage = stage.name }
  end
  if over and not self.over then
    at.stages[#at.stages + 1] = { name = stage.name, tasks = stage.tasks, policy = stage.policy.type,
      steps = at.stage_step, epochs = at.stage_epoch }
    at.stage, at.stage_step, at.stage_epoch = at.stage + 1, 0, 0
    stay(self)
  end
end

--- Makes one step. @return its record, as a run's log has it, with the policy's name beside it
function session:step()
  if not self.draw then
    begin(self)
  end
  local t, at, stage = self.t, self.t.at, self.stage
  at.step, at.stage_step, at.batch = at.step + 1, at.stage_step + 1, at.batch + 1
  local record = step.run(t, stage, self.draw)
  step.read(t)
  collectgarbage "step"
  record.policy = stage.policy.type
  self.curve:add(record)
  local over = not self.over and stage.ends:done(at.when, { steps = at.stage_step, epochs = at.stage_epoch,
    epoch_end = false })
  if over or at.batch >= t.batches then
    end_epoch(self, over)
  end
  return record
end

local function fail(message)
  error(message, 0)
end

-- Refuses a recipe whose policies have changed where it could not have been written so.
local function check(t)
  local by_name = {}
  for _, task in ipairs(t.recipe.tasks) do
    by_name[task.name] = task
  end
  for _, stage in ipairs(t.recipe.stages) do
    local tasks = {}
    for i, name in ipairs(stage.tasks) do
      tasks[i] = by_name[name]
    end
    local wrong = require "mtl.policy".check(stage.policy, tasks, by_name)
    if wrong then
      fail(("stage '%s': %s"):format(stage.name, wrong))
    end
  end
  stages.check_soft(t.recipe, fail)
  setup.refuse_policies(t.recipe)
  setup.refuse_unshared(t.recipe, t.model)
end

--- The policy of the stage that the next step belongs to.
function session:policy()
  return self.recipe.stages[self.t.at.stage].policy
end

--- Weighs by this policy from the next step on, in every stage of several tasks from the current one on; nil: as the
-- recipe says. What cannot work is an error, and the policy stays.
function session:use(policy)
  local t, list, before = self.t, self.recipe.stages, {}
  if policy and policy.prepare then
    policy = declare.copy(policy)
    policy:prepare(t.recipe.tasks)
  end
  for i = t.at.stage, #list do
    if #list[i].tasks > 1 then
      before[i], self.own[i] = list[i].policy, self.own[i] or list[i].policy
      list[i].policy = policy or self.own[i]
    end
  end
  local ok, message = pcall(check, t)
  for i, old in pairs(before) do
    if ok then
      t.policies[i] = nil -- another policy has a state of its own
    else
      list[i].policy = old
    end
  end
  if not ok then
    error(message, 0)
  elseif next(before) == nil then
    error("no stage from here on trains more than one task, so no policy has anything to weigh", 0)
  elseif self.draw and before[t.at.stage] then
    local batches = t.policy.object.batches
    t.policy = t:make_policy(t.at.stage)
    if t.policy.object.batches ~= batches then -- its epochs have another length
      t.at.batch, self.draw = 0, nil
    end
  end
  return not before[t.at.stage] and list[next(before)].name or nil
end

--- The next batch of a split ("train" unless told) as the model sees it, apart from those that steps draw: { inputs = {
-- NAME = tensor }, targets = { NAME = tensor } }.
function session:batch(split)
  split = split or "train"
  if not self.t.rows[split] then
    fail(("batch: the data have no split '%s'"):format(tostring(split)))
  end
  local found = { inputs = {}, targets = {} }
  for k, s in ipairs(self.t.sources) do
    local key = split .. k
    local own = self.loaders[key] or s.set.rows[split] and { loader = s.set:loader(split), epoch = 0 }
    local batch = own and self.loaders[key] and own.loader:next(self.t.device)
    if own and not batch then
      own.epoch, self.loaders[key] = own.epoch + 1, own
      own.loader:start(split == "train", self.t.seed, own.epoch, 0)
      batch = own.loader:next(self.t.device)
    end
    for i, name in ipairs(batch and s.set.inputs or {}) do
      found.inputs[name] = batch[i]
    end
    for i, name in ipairs(batch and s.set.target_names or {}) do
      found.targets[name] = batch[#s.set.inputs + i]
    end
  end
  return found
end

--- Losses, KPIs and metrics of all tasks on a split; unless told the validation split, where there is one.
function session:evaluate(split)
  local index = {}
  split = split or self.t.rows.valid and "valid" or "test"
  for i in ipairs(self.recipe.tasks) do
    index[i] = i
  end
  return self.t:evaluate(split, index) or fail(("evaluate: the data have no split '%s'"):format(split)), split
end

--- Outputs by task for a batch: a tensor, or tensors by the names of the inputs. Dropout rests, as in evaluation.
function session:forward(inputs)
  local outputs, named = self.t.model:forward(core.type(inputs) == "mtl.tensor" and { inputs } or inputs, -1, false), {}
  for i, task in ipairs(self.recipe.tasks) do
    named[task.name] = outputs[i]
  end
  return named
end

--- Goes on on another device: parameters, moments, smoothed KPIs and the place in the epoch stay what they are.
function session:move(device)
  local file = os.tmpname()
  local options = {}
  for key, value in pairs(self.options) do
    options[key] = value
  end
  options.device = device
  local ok, t = pcall(function()
    checkpoint.save(file, self.t)
    return training.new(self.recipe, options, checkpoint.open(file))
  end)
  core.remove(file)
  if not ok then
    error(t, 0)
  end
  take(self, t)
  self.options, self.draw, self.loaders = options, nil, {}
  stay(self)
end

return session
