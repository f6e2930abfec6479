--- Writes what a comparison came to: compare.json, compare.csv, compare.md, compare.svg; and its tables for a terminal.
local core = require "mtl.core"
local export = require "mtl.compare.export"
local path = require "mtl.path"
local picture = require "mtl.compare.picture"
local text = require "mtl.cli.text"

local write = {}

local function figure(s, format)
  if not s.mean then
    return "-"
  end
  return format:format(s.mean) .. (s.half and " ± " .. format:format(s.half) or "")
end

local function state(row)
  local n = #row.runs
  local parts = { ("%d/%d"):format(row.done, n) }
  parts[2] = row.diverged > 0 and ("%d/%d diverged"):format(row.diverged, n) or nil
  return table.concat(parts, ", ")
end

-- { title =, right = columns set to the right, rows, the first of them the head }
local function summary(r)
  local head = { "row", "mean KPI" }
  for _, task in ipairs(r.plan.tasks) do
    head[#head + 1] = task.name
  end
  for _, name in ipairs { "Δm %", "Δp %", "mean rank", "runs" } do
    head[#head + 1] = name
  end
  head[#head + 1] = r.timed and "samples/s" or nil
  local rows = { head }
  for _, row in ipairs(r.rows) do
    local cells = { row.name, figure(row.kpi, "%.4f") }
    for t in ipairs(r.plan.tasks) do
      cells[#cells + 1] = figure(row.kpis[t], "%.4f")
    end
    local single = row.kind == "single"
    cells[#cells + 1] = single and "0" or figure(row.delta_m, "%.2f")
    cells[#cells + 1] = single and "0" or figure(row.delta_p, "%.2f")
    cells[#cells + 1] = text.number(row.rank, "%.2f")
    cells[#cells + 1] = state(row)
    cells[#cells + 1] = r.timed and (row.rate and text.count(row.rate) or "-") or nil
    rows[#rows + 1] = cells
  end
  return { title = "All rows: means over seeds, ± half of the 95 % interval", rows = rows }
end

local function p_value(p)
  return p and (p < 1e-4 and "< .0001" or ("%.4f"):format(p)) or "-"
end

local function differences(r)
  local signed = r.endpoint.format:gsub("%%", "%%+")
  local rows = { { "row", "difference", "95 % interval", "p", "p (Holm)", "" } }
  for _, row in ipairs(r.rows) do
    local d = row.difference
    if row.kind ~= "uniform" and row.kind ~= "single" then
      local tested = row.kind == "policy"
      rows[#rows + 1] = { row.name, d and signed:format(d.mean) or "-",
        d and d.half and ("%s to %s"):format(signed:format(d.mean - d.half), signed:format(d.mean + d.half)) or "-",
        tested and p_value(d and d.p) or "", tested and p_value(d and d.p_holm) or "", row.verdict }
    end
  end
  return { title = ("Against uniform: %s, paired by seed"):format(r.endpoint.title), rows = rows }
end

-- The metrics of tasks in their own units; nil where no task names any.
local function metrics(r)
  local head, formats = { "row" }, {}
  for i, metric in ipairs(r.metrics) do
    if metric.name then
      head[#head + 1] = ("%s %s (%s is better)"):format(metric.task, metric.name, metric.higher and "higher" or "lower")
      formats[#formats + 1] = i
    end
  end
  if #formats == 0 then
    return nil
  end
  local rows = { head }
  for _, row in ipairs(r.rows) do
    local cells = { row.name }
    for _, i in ipairs(formats) do
      cells[#cells + 1] = text.number(row.means[i], "%.5g")
    end
    rows[#rows + 1] = cells
  end
  return { title = "Metrics: means over seeds", rows = rows }
end

local function settings(r)
  if not r.plan.tune then
    return nil
  end
  local rows = { { "row", "chosen" } }
  for _, row in ipairs(r.rows) do
    for _, unit in ipairs(row.units) do
      local chosen = row.chosen[unit]
      rows[#rows + 1] = { row.name .. (unit.task and ": " .. unit.task or ""), chosen and chosen.name or "-" }
    end
  end
  return { title = "Tuning", rows = rows }
end

local function weights(r)
  local rows = { { "row", "weights" } }
  for _, row in ipairs(r.rows) do
    if row.kind == "fixed" and #r.plan.tasks > 3 then
      local longest = ""
      for _, entry in ipairs(row.units[1].set) do
        longest = #entry[2] > #longest and entry[2] or longest
      end
      rows[#rows + 1] = { row.name, longest }
    end
  end
  return #rows > 1 and { title = "Fixed weights", rows = rows } or nil
end

--- The tables of a result.
function write.tables(r)
  local tables = {}
  for _, make in ipairs { summary, differences, metrics, settings, weights } do
    tables[#tables + 1] = make(r)
  end
  return tables
end

local function missing(r)
  local n = 0
  for _, row in ipairs(r.rows) do
    n = n + #row.runs - row.done - row.diverged
  end
  return n
end

--- Sentences that belong to the tables.
function write.notes(r)
  local p, notes = r.plan, {}
  local function note(...)
    notes[#notes + 1] = (...):format(select(2, ...))
  end
  if missing(r) > 0 then
    note("Not all runs are there yet: %d of %d rows by seeds are missing or unfinished.", missing(r),
      #r.rows * #p.seeds)
  end
  if p.tune then
    note("Every row was tuned over %d settings by mean validation KPI on %d seed%s of its own; the figures are of "
      .. "fresh seeds.", #p.tune.settings, #p.tune.seeds, #p.tune.seeds > 1 and "s" or "")
  else
    note "Learning rate not tuned."
  end
  note("Primary endpoint: %s (%s is better). Cells of single tasks and metrics are descriptive.", r.endpoint.title,
    r.endpoint.higher and "higher" or "lower")
  if #p.seeds < 3 then
    note "Fewer than 3 seeds: no interval."
  else
    note("Intervals are t intervals over seeds (N - 1 degrees of freedom), each by itself. They cover the randomness "
      .. "of training (initial weights, order, dropout), not that of the test set.")
  end
  if r.tested > 0 then
    note("p (Holm) is corrected for the %d polic%s tested. \"could see\" is the true difference that a test at .05/%d "
      .. "would have found in four of five such comparisons.", r.tested, r.tested == 1 and "y" or "ies", r.tested)
  end
  note("Fixed weights are baselines, and not tested. Single tasks train alone, under uniform, for the most epochs that "
    .. "the recipe trains them. Every run is tested once, %s.", p.select == "valid"
    and "at the epoch of its best mean validation KPI" or "as it is at its end")
  note("Δm: mean relative change of all metrics (the KPI of a task that names none) against the same seed's single "
    .. "tasks, lower is better. Δp: mean over tasks of the mean over their metrics, higher is better. Mean rank: of "
    .. "the means over seeds, ties averaged.")
  for _, place in ipairs(r.left_out) do
    note("Left out of Δm and Δp: %s %s, whose single-task value is missing, near 0 or of either sign.",
      r.metrics[place].task, r.metrics[place].name or "KPI")
  end
  for _, row in ipairs(r.rows) do
    if row.diverged > 0 then
      note("%s: %d of %d seeds diverged; its figures are of the others.", row.name, row.diverged, #row.runs)
    end
  end
  if not r.timed then
    note "Times are not shown: runs were made side by side, or elsewhere (--timing measures them one by one)."
  end
  return notes
end

local function markdown(r)
  local out = { ("# Comparison: %s"):format(r.plan.recipe), "" }
  out[#out + 1] = ("%d tasks, seeds 1 to %d.\n\n![Differences from uniform](compare.svg)\n"):format(#r.plan.tasks,
    #r.plan.seeds)
  for _, t in ipairs(write.tables(r)) do
    out[#out + 1] = "## " .. t.title .. "\n"
    for i, row in ipairs(t.rows) do
      local cells = {}
      for c, cell in ipairs(row) do
        cells[c] = text.clean(cell):gsub("|", "\\|")
      end
      out[#out + 1] = "| " .. table.concat(cells, " | ") .. " |"
      out[#out + 1] = i == 1 and "|---" .. ("|--:"):rep(#cells - 1) .. "|" or nil
    end
    out[#out + 1] = ""
  end
  out[#out + 1] = "## Notes\n"
  for _, note in ipairs(write.notes(r)) do
    out[#out + 1] = "- " .. text.clean(note)
  end
  return table.concat(out, "\n") .. "\n"
end

--- Writes all files of a result into its folder.
function write.all(r, dir)
  core.file_write(path.join(dir, "compare.json"), export.json(r))
  core.file_write(path.join(dir, "compare.csv"), export.csv(r))
  core.file_write(path.join(dir, "compare.svg"), picture(r))
  core.file_write(path.join(dir, "compare.md"), markdown(r))
end

return write
