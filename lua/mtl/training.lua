--- The state of a training: what is built from a recipe, and `at`, a plain table that says where it stands. All that a
-- step depends on is in `at`, the model, the optimizers and the policies' states: that is what a checkpoint holds.
local core = require "mtl.core"
local checkpoint = require "mtl.checkpoint"
local device = require "mtl.device"
local evaluate = require "mtl.evaluate"
local form = require "mtl.form"
local history = require "mtl.history"
local parts = require "mtl.parts"
local path = require "mtl.path"
local setup = require "mtl.setup"
local source = require "mtl.source"
local step = require "mtl.step"
local trouble = require "mtl.trouble"

local training = { diverged = trouble.diverged, watch = trouble.watch, warn = trouble.warn }
training.__index = training

--- Builds data, model and meters. `saved`: the checkpoint to go on from, or nil.
function training.new(recipe, options, saved)
  setup.refuse_policies(recipe)
  local t = setmetatable({ recipe = recipe, tasks = recipe.tasks, progress = options.progress }, training)
  t.policies, t.frozen, t.meters, t.losses, t.loss_leaves = {}, {}, {}, {}, {}
  t.seed = options.seed or saved and saved.info.seed or recipe.seed or 1
  t.device = options.device or recipe.device or device.default()
  t.folder = options.folder or recipe.file and core.realpath((path.split(recipe.file))) or core.realpath "."
  setup.same_run(recipe, t.seed, saved)
  t.sources = source.open(recipe, function(declaration, state)
    return form.reading(saved and saved.path, setup.open_data, declaration, t.folder, options.data_dir, state)
  end, saved and saved.info.sources)
  t.rows = source.rows(t.sources)
  setup.same_rows(t.rows, saved)
  t.model = core.model(recipe.model_json)
  t.model:freeze { seed = t.seed, device = t.device, inputs = source.shapes(t.sources, t.model) }
  recipe:check_freeze(t.model)
  setup.refuse_unshared(recipe, t.model)
  for _, s in ipairs(t.sources) do
    s.set:check_model(recipe.model_json)
    recipe:check_fit(s.set, t.model, s.tasks)
    s:bind(recipe, t.device)
    parts.make(t, s)
  end
  t.unread, t.held, t.on_cpu = {}, 0, t.device == "cpu"
  t.at = { step = 0, epoch = 0, batch = 0, stage = 1, stage_step = 0, stage_epoch = 0, kpi_ema = {}, soft_ema = {},
    since = {}, seen = {}, when = {}, seconds = 0, train_seconds = 0, samples = 0, faded = 0, stages = core.array {} }
  t.started, t.saved_at = core.clock(), core.clock()
  if saved then
    form.reading(saved.path, t.restore, t, saved)
  elseif options.init then
    t.init, t.init_report = require "mtl.transfer".into(t.model, options.init)
  end
  return t
end

-- The policy of a stage: stages that share a declaration share its state.
function training:policy_key(index)
  local stages = self.recipe.stages
  for key = 1, index do
    if stages[key].policy == stages[index].policy then
      return key
    end
  end
end

function training:make_policy(index)
  local key = self:policy_key(index)
  if not self.policies[key] then
    local stage = self.recipe.stages[index]
    self.policies[key] = step.policy(stage.policy, self.recipe.tasks, stage.optimizer:settings(),
      self.device)
  end
  return self.policies[key]
end

function training:make_optimizer(stage)
  self.optimizer = core.optimizer(self.model, stage.optimizer:settings())
  self.optimizer_of, self.lr_now = stage.optimizer, nil
end

local function without_nulls(t)
  for k, v in pairs(t) do
    if v == core.null then
      t[k] = nil
    elseif type(v) == "table" then
      without_nulls(v)
    end
  end
  return t
end

function training:restore(saved)
  local info = saved.info
  self.at = without_nulls(info.at)
  -- a checkpoint between two stages was made with the optimizer of the first of them
  local at, stages = self.at, self.recipe.stages
  local index = at.stage_step == 0 and at.stage > 1 and at.stage - 1 or at.stage
  if not stages[index] then
    error(("%s: made in stage %d, but the recipe has %d"):format(saved.path, index, #stages), 0)
  end
  if at.step > 0 then
    self:make_optimizer(stages[index])
  end
  for i = 1, #stages do
    if info.policies[tostring(i)] then
      self:make_policy(i)
    end
  end
  checkpoint.restore_model(saved, self.model)
  checkpoint.restore_training(saved, self)
  core.manual_seed(table.unpack(info.rand))
  self.saved_step, self.seconds_before = at.step, at.seconds
end

--- Makes stage `at.stage` the current one. Freshly entered, its histories and its optimizer begin as it says.
function training:enter()
  local at = self.at
  local stage = self.recipe.stages[at.stage]
  local fresh = at.stage_step == 0
  for prefix in pairs(self.frozen) do
    self.model:set_frozen(prefix, false)
  end
  self.frozen = {}
  for _, prefix in ipairs(stage.freeze or {}) do
    self.model:set_frozen(prefix, true)
    self.frozen[prefix] = true
  end
  if not self.optimizer or fresh and (stage.reset_optimizer or stage.optimizer ~= self.optimizer_of) then
    self:make_optimizer(stage)
  end
  self.policy = self:make_policy(at.stage)
  if fresh then
    for _, name in ipairs(stage.tasks) do
      if not at.since[name] then -- its history starts now
        history.forget(self.policy.object.state, name)
      end
    end
  end
  local active = {}
  for _, name in ipairs(stage.tasks) do
    active[name] = true
    at.seen[name] = true
  end
  for name in pairs(at.since) do
    at.since[name] = active[name] and at.since[name] or nil -- a task's history starts when it becomes active
  end
  self.batches = self:steps_of(stage)
  self.total = self:length(stage)
  if fresh then
    at.when = {}
    local before = self.recipe.stages[at.stage - 1]
    if at.best and before and before.mask ~= stage.mask then -- a mean over other tasks is no rival
      at.best = nil
      core.remove(path.join(self.out, "best.safetensors"))
    end
    self.log:write { kind = "stage", step = at.step, stage = stage.name, tasks = stage.tasks,
      policy = stage.policy.type }
  end
  return stage
end

--- Steps of an epoch of a stage. A policy that draws several batches a step leaves out those that are too few for one.
function training:steps_of(stage)
  local batches = source.longest(self.sources, stage.mask)
  if stage.policy.batches > 1 then
    return math.max(1, batches // stage.policy.batches)
  end
  return math.ceil(batches / self.recipe.accumulate)
end

function training:steps_by_stage()
  local list = {}
  for i, stage in ipairs(self.recipe.stages) do
    list[i] = self:steps_of(stage)
  end
  return list
end

--- Steps that a stage makes at most; nil where only the KPIs end it.
function training:length(stage)
  local by_ends = stage.ends:length(self.batches) or math.huge
  local steps = math.min(by_ends, (stage.max_epochs or math.huge) * self.batches)
  return steps < math.huge and math.tointeger(steps) or nil
end

function training:lr(stage)
  return stage.optimizer:lr_at(self.at.stage_step - 1, self.total, self.batches)
end

--- Samples per second since the last mark; what lies between marks is time spent training.
function training:mark()
  self.marked, self.marked_samples = core.clock(), self.at.samples
end

function training:rate()
  return (self.at.samples - self.marked_samples) / math.max(core.clock() - self.marked, 1e-9)
end

function training:add_time()
  self.at.train_seconds = self.at.train_seconds + core.clock() - self.marked
  self:mark()
end

--- Writes a checkpoint, unless the parameters are no longer numbers: then the one before it stays.
function training:save(name)
  local at = self.at
  step.read(self)
  if not checkpoint.finite(self.model) then
    self:diverged "parameters are not finite any more"
  end
  at.seconds = (self.seconds_before or 0) + core.clock() - self.started
  self.log:sync()
  checkpoint.save(path.join(self.out, name or "checkpoint.safetensors"), self)
  if not name then
    self.saved_step, self.saved_at = at.step, core.clock()
  end
end

--- KPIs of a split for the tasks at `index`; nil where no data set has such a split.
function training:evaluate(split, index, watch)
  return self.rows[split] and evaluate.run(self, split, index, nil, watch) or nil
end

return training
