--- A comparison for other programs: compare.json (all figures) and compare.csv (every run's own).
local claims = require "mtl.compare.claims"
local core = require "mtl.core"
local gather = require "mtl.compare.gather"

local export = {}

-- The result as one table for JSON.
local function as_table(r)
  local function all(s)
    return { n = s.n, mean = s.mean, sd = s.sd, low = s.half and s.mean - s.half, high = s.half and s.mean + s.half }
  end
  local out = { recipe = r.plan.recipe, primary = r.plan.primary, against = r.plan.against,
    guards = r.plan.guards, refused = r.plan.refused, seeds = r.plan.seeds, alpha = claims.ALPHA,
    tuned = r.plan.tune ~= nil, rows = {}, left_out = core.array {}, version = r.plan.version }
  for i, place in ipairs(r.left_out) do
    out.left_out[i] = { task = r.metrics[place].task, metric = r.metrics[place].name or "kpi" }
  end
  for i, row in ipairs(r.rows) do
    local o = { name = row.name, kind = row.kind, runs = #row.runs, done = row.done, diverged = row.diverged,
      primary = all(row.primary), kpi = all(row.kpi), delta_m = all(row.delta_m), delta_p = all(row.delta_p),
      mean_rank = row.rank, valid = row.valid, samples_per_s = row.rate, picks = row.picks, tasks = {},
      units = core.array {}, by_seed = {}, differences = core.array {} }
    for t, task in ipairs(r.plan.tasks) do
      o.tasks[task.name] = { kpi = all(row.kpis[t]), steps = row.steps[t] }
    end
    for u, unit in ipairs(row.units) do
      local chosen = r.plan.tune and row.chosen[unit]
      o.units[u] = { id = unit.id, set = unit.set, setting = chosen and chosen.name or nil }
    end
    for s, run in ipairs(row.runs) do
      o.by_seed[s] = { seed = run.seed, state = run.state, kpi = run.kpi, delta_m = run.delta_m,
        delta_p = run.delta_p, test = run.test, valid = run.kpis, area = run.area, steps = run.steps }
    end
    for _, d in ipairs(row.differences) do
      if d then
        local one = all(d)
        one.against, one.verdict, one.tasks = d.against.name, d.verdict, {}
        one.p, one.p_holm, one.detectable = d.p, d.p_holm, d.detectable
        for t, task in ipairs(r.plan.tasks) do
          one.tasks[task.name] = all(d.tasks[t])
        end
        o.differences[#o.differences + 1] = one
      end
    end
    out.rows[i] = o
  end
  return out
end

--- The text of compare.json.
function export.json(r)
  return core.json_encode(as_table(r), true) .. "\n"
end

--- One line for each figure of each run.
function export.csv(r)
  local lines = { "row,kind,seed,state,task,metric,value" }
  local function add(...)
    local cells = { ... }
    for i, cell in ipairs(cells) do
      cell = tostring(cell)
      cells[i] = cell:find '[",\n]' and '"' .. cell:gsub('"', '""') .. '"' or cell
    end
    lines[#lines + 1] = table.concat(cells, ",")
  end
  for _, row in ipairs(r.rows) do
    for _, run in ipairs(row.runs) do
      local before = #lines
      for _, task in ipairs(r.plan.tasks) do
        local names = { { name = nil, shown = "kpi" } }
        for _, metric in ipairs(task.metrics) do
          names[#names + 1] = { name = metric.name, shown = metric.name }
        end
        for _, metric in ipairs(names) do
          local x = run.test and gather.value(run.test, { task = task.name, name = metric.name })
          if x then
            add(row.name, row.kind, run.seed, run.state, task.name, metric.shown, ("%.17g"):format(x))
          end
        end
        if run.area and run.area[task.name] then
          add(row.name, row.kind, run.seed, run.state, task.name, "area", ("%.17g"):format(run.area[task.name]))
        end
      end
      if #lines == before then -- a run without figures has a line too
        add(row.name, row.kind, run.seed, run.state, "", "", "")
      end
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

return export
