--- Ends a training: tests every task that was ever active, once, and writes summary.json. @return the summary, which
-- says where it was cut short by max_steps, and under select = "valid" which epoch was kept (kept: epoch, step, kpi).
local checkpoint = require "mtl.checkpoint"
local core = require "mtl.core"
local path = require "mtl.path"

return function(t)
  local at, index = t.at, {}
  for i, task in ipairs(t.recipe.tasks) do
    if at.seen[task.name] then
      index[#index + 1] = i
    end
  end
  local best, kept = path.join(t.out, "best.safetensors"), nil
  if t.recipe.select == "valid" and at.best and core.stat(best) then
    local saved = checkpoint.open(best)
    checkpoint.restore_model(saved, t.model)
    kept = { epoch = saved.info.at.epoch, step = saved.info.at.step, kpi = at.best }
  end
  local test = t:evaluate("test", index, t.outcome)
  if test then
    local stage = t.recipe.stages[at.stage_step == 0 and at.stage > 1 and at.stage - 1 or at.stage]
    t.log:write { kind = "test", step = at.step, epoch = at.epoch, stage = stage.name, tasks = test }
  end
  t.log:sync()
  local summary = { recipe = t.recipe.name, seed = t.seed, steps = at.step, epochs = at.epoch, stages = at.stages,
    seconds = (t.seconds_before or 0) + core.clock() - t.started,
    samples_per_s = at.samples / math.max(at.train_seconds, 1e-9), test = test or {}, kept = kept,
    max_steps = t.recipe.stages[at.stage] and t.max_steps or nil } -- a stage is left that was not trained to its end
  core.file_write(path.join(t.out, "summary.json"), core.json_encode(summary, true) .. "\n")
  summary.out = t.out
  return summary
end
