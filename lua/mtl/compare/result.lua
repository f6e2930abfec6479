--- What the runs of a comparison come to: figures by row and seed; what may be said of them is claims.lua's.
local claims = require "mtl.compare.claims"
local gather = require "mtl.compare.gather"
local question = require "mtl.compare.question"
local stats = require "mtl.compare.stats"

local result = {}
local value = gather.value

-- All metrics of the comparison; the KPI of a task that names none.
local function metrics_of(p)
  local metrics = {}
  for _, task in ipairs(p.tasks) do
    for _, metric in ipairs(task.metrics) do
      metrics[#metrics + 1] = { task = task.name, name = metric.name, higher = metric.higher }
    end
    if #task.metrics == 0 then
      metrics[#metrics + 1] = { task = task.name, higher = true }
    end
  end
  return metrics
end

-- The values of a field over the seeds that have it.
local function over_seeds(row, get)
  local list = {}
  for _, run in ipairs(row.runs) do
    list[#list + 1] = run.test and get(run) or nil
  end
  return list
end

-- Delta m and delta p of every run, against the single tasks of the same seed.
local function add_deltas(r)
  local singles = {}
  for s, run in ipairs(r.rows.single.runs) do
    singles[s] = {}
    for i, metric in ipairs(r.metrics) do
      singles[s][i] = run.test and value(run.test, metric)
    end
  end
  local known = {}
  for s, run in ipairs(r.rows.single.runs) do
    known[#known + 1] = run.test and singles[s] or nil
  end
  local out = stats.left_out(r.metrics, known)
  r.left_out, r.kept = {}, {}
  for i in ipairs(r.metrics) do
    table.insert(out[i] and r.left_out or r.kept, i)
  end
  for _, row in ipairs(r.rows) do
    for s, run in ipairs(row.runs) do
      local kept, values, single = {}, {}, {}
      for _, i in ipairs(run.test and r.kept or {}) do
        local k, x = #kept + 1, value(run.test, r.metrics[i])
        kept[k], values[k], single[k] = x and singles[s][i] and r.metrics[i], x, singles[s][i]
      end
      if #kept > 0 and #kept == #r.kept then -- one that is missing leaves no mean over the same metrics
        run.delta_m, run.delta_p = stats.deltas(kept, values, single)
      end
    end
  end
end

-- Means over seeds of the metrics, and by them the mean rank; rows that lack one have none, and the row that is made of
-- others' runs.
local function add_ranks(r)
  local ranked = {}
  for _, row in ipairs(r.rows) do
    local whole = row ~= r.rows.tuned
    row.means = {}
    for i, metric in ipairs(r.metrics) do
      row.means[i] = stats.mean(over_seeds(row, function(run)
        return value(run.test, metric)
      end))
      whole = whole and row.means[i] ~= nil
    end
    ranked[#ranked + 1] = whole and row or nil
  end
  for i, metric in ipairs(r.metrics) do
    local values = {}
    for k, row in ipairs(ranked) do
      values[k] = row.means[i]
    end
    for k, rank in ipairs(stats.ranks(values, metric.higher)) do
      ranked[k].rank = (ranked[k].rank or 0) + rank / #r.metrics
    end
  end
end

--- The whole result of a plan whose question is set (question.add).
function result.of(p, dir)
  local r = { plan = p, endpoint = question.endpoint(p), metrics = metrics_of(p), rows = gather.rows(p, dir) }
  add_deltas(r)
  claims.tune_fixed(r)
  add_ranks(r)
  claims.differences(r)
  for _, row in ipairs(r.rows) do
    local function summary(get)
      return stats.summary(over_seeds(row, get), claims.ALPHA)
    end
    for _, name in ipairs { "kpi", "delta_m", "delta_p" } do
      row[name] = summary(function(run)
        return run[name]
      end)
    end
    row.primary, row.kpis, row.steps = summary(r.endpoint.of), {}, {}
    for i, task in ipairs(p.tasks) do
      row.kpis[i] = summary(function(run)
        return value(run.test, { task = task.name })
      end)
      row.steps[i] = stats.mean(over_seeds(row, function(run)
        return run.steps[task.name]
      end))
    end
    row.valid = stats.mean(over_seeds(row, function(run)
      return run.valid
    end))
  end
  if r.endpoint.area and r.rows.uniform.done > 0 and not r.rows.uniform.primary.mean then
    error(("compare: --primary %s reads the validation KPI, and the runs have none: the data have no split 'valid'")
      :format(p.primary), 0)
  end
  result.time(r, dir)
  return r
end

--- Samples per second by row: of the timing pass, or of the runs themselves where no two were side by side.
function result.time(r, dir)
  for _, row in ipairs(r.rows) do
    local sum = 0
    for _, unit in ipairs(row.units) do
      local rate = gather.timing(r.plan, unit, dir)
      sum = sum and rate and sum + 1 / rate or nil
    end
    row.rate = sum and sum > 0 and 1 / sum or nil -- the tuned row has no runs of its own
    if not row.rate and r.plan.alone and #row.units > 0 then
      row.rate = stats.mean(over_seeds(row, function(run)
        return run.rate
      end))
    end
    r.timed = r.timed or row.rate ~= nil
  end
end

return result
