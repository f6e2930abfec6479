--- Trains a recipe through its stages into a run folder. Wherever it is stopped, the last checkpoint leads to the same
-- bits as a training that was never stopped.
local core = require "mtl.core"
local checkpoint = require "mtl.checkpoint"
local failure = require "mtl.failure"
local finish = require "mtl.finish"
local folder = require "mtl.folder"
local log = require "mtl.log"
local pace = require "mtl.pace"
local path = require "mtl.path"
local source = require "mtl.source"
local step = require "mtl.step"
local stop = require "mtl.stop"
local training = require "mtl.training"

local trainer = {}

local CHECKPOINT_SECONDS = 60

local function tell(t, what, ...)
  local progress = t.progress
  if progress and progress[what] then
    progress[what](progress, ...)
  end
end

-- Where a training may pause within an epoch. Returns true when it has made the steps that it was asked for.
local function pause(t, record)
  if t.max_steps and t.at.step >= t.max_steps then
    t:save()
    if not t.logged then
      t.log:write(record) -- past the checkpoint: resuming cuts it off again
    end
    return true
  end
  stop.check(t)
  if core.clock() - t.saved_at >= t.checkpoint_seconds then
    t:add_time()
    t:save()
    t:mark()
  end
end

-- The rest of an epoch. Returns whether the stage is over, and whether the training stops here.
local function train_epoch(t, stage)
  local at, over = t.at, t.at.over or false -- a checkpoint may lie before an epoch's validation
  if at.batch == 0 then
    at.epoch = at.epoch + 1
  end
  local draw = source.draw(t, stage)
  t:mark()
  local event = { epoch_end = false }
  while not over and at.batch < t.batches do
    at.step, at.stage_step, at.batch = at.step + 1, at.stage_step + 1, at.batch + 1
    local began = core.clock()
    local record = step.run(t, stage, draw)
    collectgarbage "step" -- what Lua code made in this step and nobody holds any more
    t.pace:step(core.clock() - began)
    event.steps, event.epochs = at.stage_step, at.stage_epoch
    over = stage.ends:done(at.when, event) and true or false
    local last = over or at.batch == t.batches
    record.samples_per_s = t:rate()
    t.logged = last or at.batch == 1 or at.step % t.log_every == 0
    if t.logged then
      step.read(t)
      t.log:write(record)
      t:add_time()
    end
    if #t.unread == 0 then
      t.record = record
    end
    if t.progress then
      tell(t, "step", { step = at.step, stage = stage.name, stage_index = at.stage, stage_step = at.stage_step,
        stage_total = t.total, batch = at.batch, batches = t.batches, samples_per_s = record.samples_per_s,
        tasks = t.record and t.record.tasks or {} }) -- until they are read, what was shown last
    end
    if not last and pause(t, record) then
      t:add_time()
      return false, true
    end
  end
  return over, false
end

-- Mean KPI over the tasks that have one, in the order of `names`: the sum has the same bits in every process.
local function mean_kpi(results, names)
  local sum, n = 0, 0
  for _, name in ipairs(names) do
    local r = results[name]
    if r.kpi ~= core.null then
      sum, n = sum + r.kpi, n + 1
    end
  end
  return n > 0 and sum / n or nil
end

local function validate(t, stage)
  local at = t.at
  t.pace:pause()
  local results = t:evaluate("valid", stage.index)
  t.pace:resume()
  if not results then
    return nil
  end
  t.log:write { kind = "valid", step = at.step, epoch = at.epoch, stage = stage.name, tasks = results }
  local kpi = mean_kpi(results, stage.tasks)
  if t.recipe.select == "valid" and kpi and kpi > (at.best or -1) then
    at.best = kpi
    t:save "best.safetensors"
  end
  return results
end

local function leave(t, stage)
  local at = t.at
  at.stages[#at.stages + 1] = { name = stage.name, tasks = stage.tasks, policy = stage.policy.type,
    steps = at.stage_step, epochs = at.stage_epoch }
  at.stage, at.stage_step, at.stage_epoch = at.stage + 1, 0, 0
end

-- What follows the last step of an epoch: validation, the stage's end, a checkpoint.
local function end_epoch(t, stage, over)
  local at = t.at
  at.over = over
  local valid = validate(t, stage) -- which a signal may end
  at.over = nil
  at.stage_epoch, at.batch = at.stage_epoch + 1, 0
  if not over then
    local kpis = {}
    for name, r in pairs(valid or {}) do
      kpis[name] = r.kpi ~= core.null and r.kpi or nil
    end
    over = stage.ends:done(at.when, { steps = at.stage_step, epochs = at.stage_epoch, epoch_end = true, kpis = kpis })
      or at.stage_epoch >= (stage.max_epochs or math.huge)
  end
  if t.policy.object.on_epoch then
    t.policy.object:on_epoch { tasks = stage.tasks, index = stage.index, step = at.stage_step, epoch = at.epoch,
      stage = stage.name }
  end
  local event = { epoch = at.epoch, stage = stage.name, stage_index = at.stage, step = at.step,
    stage_step = at.stage_step, stage_total = t.total, tasks = t.record and t.record.tasks,
    samples_per_s = t.record and t.record.samples_per_s,
    valid = valid }
  if over then
    leave(t, stage)
  end
  t:save()
  tell(t, "epoch", event)
  stop.check(t)
  return over
end

local function train_stages(t)
  local at = t.at
  while at.stage <= #t.recipe.stages and at.step < (t.max_steps or math.huge) do
    local stage = t:enter()
    local over, enough
    repeat
      over, enough = train_epoch(t, stage)
      if enough then
        return
      end
      over = end_epoch(t, stage, over)
    until over or at.step >= (t.max_steps or math.huge)
  end
end

local function open(recipe, options)
  if options.threads or recipe.threads then
    core.threads(options.threads or recipe.threads)
  end
  local out = options.out or folder.default(recipe.name, options.seed or recipe.seed or 1)
  folder.check(out, options.resume)
  out = core.realpath(out) or out
  local found = options.resume and core.stat(path.join(out, "checkpoint.safetensors"))
  local saved = found and checkpoint.open(path.join(out, "checkpoint.safetensors"))
  local t = training.new(recipe, options, saved or nil) -- what is wrong with a recipe shows before a folder is made
  core.mkdir(out)
  t.out = assert(core.realpath(out))
  local metrics = path.join(t.out, "metrics.jsonl") -- it is cut and written in place
  local stat = core.stat(metrics)
  if core.is_link(metrics) or stat and stat.type ~= "file" then
    error(("'%s' is no file of its own, and a run writes to such only"):format(metrics), 0)
  end
  t.max_steps, t.log_every, t.outcome = options.max_steps, recipe.log_every or 20, options.outcome
  t.checkpoint_seconds = options.checkpoint_seconds or CHECKPOINT_SECONDS
  if not saved then
    folder.describe(t.out, recipe, t, options)
  else
    folder.trusted(t.out)
  end
  t.log = log.open(path.join(t.out, "metrics.jsonl"), saved and saved.info.metrics or 0, options.tensorboard
    and require "mtl.tensorboard".open(options.tensorboard, select(2, path.split(t.out)), t.at.step))
  return t
end

local function run(recipe, options, hold)
  local t = open(recipe, options)
  hold.t, t.on_signal, t.pace = t, stop.check, pace.new(t.on_cpu and core.threads() or 1)
  if options.ready then
    options.ready(t)
  end
  tell(t, "start", { out = t.out, recipe = recipe, stages = recipe.stages, seed = t.seed, parameters = t.model:count(),
    shared = t.model:shared(), rows = t.rows, batch = t.sources[1].set.batch, batches = t:steps_by_stage(),
    resumed = t.saved_step, finished = t.at.stage > #recipe.stages })
  if not t.saved_step and core.stat(path.join(t.out, "best.safetensors")) then
    tell(t, "note", ("no checkpoint: from the beginning (its weights: --init %s, with another --out)"):format(t.out))
  end
  if t.init_report then
    tell(t, "note", t.init_report)
  end
  train_stages(t)
  t.pace:pause()
  local summary = finish(t)
  tell(t, "done", summary)
  t.log:close()
  return summary, t
end

--- Trains. options: out, seed, device, threads, max_steps, resume, data_dir, progress; files (of the recipe, for the
-- run folder), folder (where relative data paths start), bundle (that lies there), set (overrides, for run.json),
-- checkpoint_seconds, ready (called with the training before its first step), outcome (watches the test:
-- report/outcome.lua), tensorboard (folder of event files).
-- @return summary, and the training itself
function trainer.train(recipe, options)
  local mode = collectgarbage "generational" -- a step's garbage is young: cheap to find after every step
  local recording = core.recording()
  core.defer_interrupt(true) -- at the prompt: ^C is heard where a checkpoint can be saved
  local hold = {}
  local results = table.pack(xpcall(run, failure.of_training, recipe, options or {}, hold))
  core.defer_interrupt(false)
  if hold.t then
    hold.t.pace:pause()
  end
  collectgarbage(mode)
  core.recording(recording)
  if not results[1] then
    local e = failure.of_training(results[2]) -- once more: Lua calls no handler when it is out of memory
    error(hold.t and stop.within(hold.t, e) or e, 0)
  end
  return table.unpack(results, 2, results.n)
end

return trainer
