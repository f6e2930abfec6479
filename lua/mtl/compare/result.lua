--- What the runs of a comparison come to: figures by row and seed, paired differences from uniform, what may be said.
local gather = require "mtl.compare.gather"
local stats = require "mtl.compare.stats"

local result = {}
local value = gather.value

local ALPHA = 0.05
result.ALPHA = ALPHA

--- The primary endpoints: what they are called, and whether higher is better.
result.endpoints = {
  kpi = { title = "mean test KPI", higher = true, format = "%.4f" },
  delta_m = { title = "delta m (%)", higher = false, format = "%.2f" },
}

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

-- Mean rank over the metrics, by the means over seeds; rows that lack one have none.
local function add_ranks(r)
  local ranked = {}
  for _, row in ipairs(r.rows) do
    local whole = true
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

-- Paired differences from uniform in the primary endpoint, by seed.
local function add_differences(r, key)
  local uniform, tested = r.rows.uniform, {}
  for _, row in ipairs(r.rows) do
    row.by_seed = {}
    for s, run in ipairs(row.runs) do
      local other = uniform.runs[s]
      if row ~= uniform and run[key] and other[key] then
        row.by_seed[#row.by_seed + 1] = run[key] - other[key]
      end
    end
    row.difference = row ~= uniform and #row.by_seed > 0 and stats.paired(row.by_seed, ALPHA) or nil
    if row.kind == "policy" then
      r.policies = r.policies + 1
      if row.difference and row.difference.p and row.diverged == 0 and uniform.diverged == 0 then
        tested[#tested + 1] = row
      end
    end
  end
  local ps = {}
  for i, row in ipairs(tested) do
    ps[i] = row.difference.p
  end
  for i, p in ipairs(stats.holm(ps)) do
    local d = tested[i].difference
    d.p_holm, d.detectable = p, stats.detectable(d.sd, d.n, #tested, ALPHA)
  end
  r.tested = #tested
end

local function verdict(r, row)
  local d, uniform = row.difference, r.rows.uniform
  if row.kind == "fixed" then
    return row == r.best_fixed and "the best of the grid on validation" or ""
  elseif row.kind ~= "policy" then
    return ""
  elseif row.diverged > 0 then
    return ("diverged %d/%d: no claim"):format(row.diverged, #row.runs)
  elseif uniform.diverged > 0 then
    return ("uniform diverged %d/%d: no claim"):format(uniform.diverged, #row.runs)
  elseif not d then
    return "no runs to compare yet"
  elseif not d.p then
    return "fewer than 3 seeds: no claim"
  elseif d.p_holm < ALPHA then
    return (d.mean > 0) == r.endpoint.higher and "better" or "worse"
  end
  return ("no difference detected (could see >= %s)"):format(r.endpoint.format:format(d.detectable))
end

--- The whole result. @param primary "kpi" or "delta_m"
function result.of(p, dir, primary)
  local r = { plan = p, primary = primary, endpoint = result.endpoints[primary], metrics = metrics_of(p),
    rows = gather.rows(p, dir), policies = 0 }
  add_deltas(r)
  add_ranks(r)
  add_differences(r, primary)
  for _, row in ipairs(r.rows) do
    for _, name in ipairs { "kpi", "delta_m", "delta_p" } do
      row[name] = stats.summary(over_seeds(row, function(run)
        return run[name]
      end), ALPHA)
    end
    row.kpis = {}
    for i, task in ipairs(p.tasks) do
      row.kpis[i] = stats.summary(over_seeds(row, function(run)
        return value(run.test, { task = task.name })
      end), ALPHA)
    end
    row.valid = stats.mean(over_seeds(row, function(run)
      return run.valid
    end))
    local best = r.best_fixed
    if row.kind == "fixed" and row.valid and (not best or row.valid > best.valid) then
      r.best_fixed = row
    end
  end
  for _, row in ipairs(r.rows) do
    row.verdict = verdict(r, row)
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
    row.rate = sum and 1 / sum
    if not row.rate and r.plan.alone then
      row.rate = stats.mean(over_seeds(row, function(run)
        return run.rate
      end))
    end
    r.timed = r.timed or row.rate ~= nil
  end
end

return result
