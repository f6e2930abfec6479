--- Reads the runs of a comparison and works out what they say.
local core = require "mtl.core"
local folder = require "mtl.folder"
local log = require "mtl.compare.log"
local path = require "mtl.path"
local plan = require "mtl.compare.plan"
local sorted = require "mtl.sorted"

local gather = {}

-- What a list of --set comes to, by path.
local function by_path(set)
  local values = {}
  for _, entry in ipairs(set) do
    values[tostring(entry[1])] = tostring(entry[2])
  end
  return values
end

-- The first setting, by name, that is not the same there and here.
local function differing(there, here)
  local all = {}
  for _, values in ipairs { there, here } do
    for name in pairs(values) do
      all[name] = true
    end
  end
  for _, name in ipairs(sorted(all)) do
    if there[name] ~= here[name] then
      return ("%s is %s there, and %s here"):format(name, there[name] or "not set", here[name] or "not set")
    end
  end
  return "--set stands in another order"
end

-- The run in a folder was made with these settings; a comparison of other runs would be none.
local function same(p, run, dir)
  local info, which = folder.info(dir), nil
  if info.recipe.name ~= p.recipe then
    which = differing({ recipe = info.recipe.name }, { recipe = p.recipe })
  elseif info.seed ~= run.seed then
    which = differing({ seed = tostring(info.seed) }, { seed = tostring(run.seed) })
  elseif core.json_encode(core.array(info.set)) ~= core.json_encode(core.array(run.set)) then
    which = differing(by_path(info.set), by_path(run.set))
  end
  if which then
    error(("'%s' was made with other settings than this comparison's: %s; name another --out"):format(dir, which), 0)
  end
end

--- What a run has come to: { state = "done" | "diverged" | "begun" | "missing", test, rate }, and, where it is done,
-- what its log says: valid, kpis, area, steps.
function gather.run(p, run, dir)
  local at = path.join(path.join(dir, "runs"), run.id)
  if not core.stat(path.join(at, "run.json")) then
    return { state = "missing" }
  end
  same(p, run, at)
  local said = log.read(p, path.join(at, "metrics.jsonl"))
  local summary = log.decode(log.text(path.join(at, "summary.json")))
  local done = summary and type(summary.test) == "table"
  local result = { state = done and "done" or said.diverged and "diverged" or "begun", rate = said.rate }
  if done then
    result.test, result.valid, result.kpis = summary.test, said.valid, said.kpis
    result.area, result.steps = said.area, said.steps
  end
  return result
end

--- The samples per second of a timing run that is done, or nil.
function gather.timing(p, unit, dir)
  local at = path.join(path.join(dir, "timing"), unit.id)
  return core.stat(path.join(at, "summary.json")) and log.read(p, path.join(at, "metrics.jsonl")).rate or nil
end

--- The setting that tuning chose for a unit: the best mean validation KPI, where a diverged run counts as 0.
-- @return setting, its KPI; nil where runs are missing; without tuning: an empty table
function gather.chosen(p, unit, dir)
  if not p.tune then
    return {}
  end
  local best, best_kpi
  for _, setting in ipairs(p.tune.settings) do
    local sum = 0
    for _, seed in ipairs(p.tune.seeds) do
      local result = gather.run(p, plan.run(p, unit, seed, setting), dir)
      if result.state == "done" and not result.valid then
        error(("compare: --tune chooses by the validation KPI, and '%s' has none: the data have no split 'valid'")
          :format(unit.id), 0)
      elseif result.state ~= "done" and result.state ~= "diverged" then
        return nil
      end
      sum = sum + (result.valid or 0)
    end
    if not best or sum / #p.tune.seeds > best_kpi then
      best, best_kpi = setting, sum / #p.tune.seeds
    end
  end
  return best, best_kpi
end

--- The runs that are asked for next: those of tuning for every unit that no setting was chosen for yet, seed by seed;
-- after them, the final runs.
-- @return list of runs, whether they are of the tuning
function gather.runs(p, dir)
  local tuning, final, choice = {}, {}, {}
  for _, seed in ipairs(p.tune and p.tune.seeds or {}) do
    for _, row in ipairs(p.rows) do
      for _, unit in ipairs(row.units) do
        if choice[unit] == nil then
          choice[unit] = gather.chosen(p, unit, dir) or false
        end
        for _, setting in ipairs(choice[unit] and {} or p.tune.settings) do
          tuning[#tuning + 1] = plan.run(p, unit, seed, setting)
        end
      end
    end
  end
  if #tuning > 0 then
    return tuning, true
  end
  for _, seed in ipairs(p.seeds) do
    for _, row in ipairs(p.rows) do
      for _, unit in ipairs(row.units) do
        final[#final + 1] = plan.run(p, unit, seed, p.tune and choice[unit], true)
      end
    end
  end
  return final, false
end

local function number(x)
  return type(x) == "number" and x or nil
end

--- The value of a metric in what a run says of its tests; without a name: the KPI.
function gather.value(test, metric)
  local task = test[metric.task]
  if type(task) ~= "table" then
    return nil
  elseif metric.name then
    return type(task.metrics) == "table" and number(task.metrics[metric.name]) or nil
  end
  return number(task.kpi)
end

-- One row with one seed: its units' runs as one.
local function one(p, row, seed, dir, chosen)
  local run, rate = { state = "done", test = {}, valid = 0, kpis = {}, area = {}, steps = {}, seed = seed }, 0
  for _, unit in ipairs(row.units) do
    local r = { state = "missing" }
    if chosen[unit] then
      r = gather.run(p, plan.run(p, unit, seed, p.tune and chosen[unit], true), dir)
    end
    if r.state ~= "done" and run.state ~= "diverged" then
      run.state = r.state
    end
    for _, part in ipairs { "test", "kpis", "area", "steps" } do
      for name, figures in pairs(r[part] or {}) do
        run[part][name] = figures
      end
    end
    run.valid = run.valid and r.valid and run.valid + r.valid / #row.units or nil
    rate = rate and r.rate and rate + 1 / r.rate or nil -- one after the other
  end
  run.rate = rate and 1 / rate
  if run.state ~= "done" then
    return { state = run.state, seed = seed, rate = run.rate }
  end
  local sum, n = 0, 0
  for _, task in ipairs(p.tasks) do
    local kpi = gather.value(run.test, { task = task.name })
    sum, n = sum + (kpi or 0), n + (kpi and 1 or 0)
  end
  run.kpi = n == #p.tasks and sum / n or nil -- a KPI that is undefined leaves no mean over the same tasks
  return run
end

--- All rows with what each of their runs has come to, in order and by kind (the first of it).
function gather.rows(p, dir)
  local rows = {}
  for i, given in ipairs(p.rows) do
    local row = { name = given.name, kind = given.kind, units = given.units, runs = {}, chosen = {}, done = 0,
      diverged = 0 }
    for _, unit in ipairs(given.units) do
      row.chosen[unit] = gather.chosen(p, unit, dir)
    end
    for s, seed in ipairs(p.seeds) do
      local run = one(p, row, seed, dir, row.chosen)
      row.runs[s] = run
      row.done = row.done + (run.state == "done" and 1 or 0)
      row.diverged = row.diverged + (run.state == "diverged" and 1 or 0)
    end
    rows[i], rows[given.kind] = row, rows[given.kind] or row
  end
  return rows
end

return gather
