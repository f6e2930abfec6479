--- Writes what a comparison came to: compare.json, compare.csv, compare.md, compare.svg; and its tables for a terminal.
local conclusion = require "mtl.compare.conclusion"
local core = require "mtl.core"
local export = require "mtl.compare.export"
local notes = require "mtl.compare.notes"
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
  head[#head + 1] = r.endpoint.area and "area" or nil
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
    cells[#cells + 1] = r.endpoint.area and figure(row.primary, r.endpoint.format) or nil
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

local function signed(d, format)
  format = format:gsub("%%", "%%+")
  return d.mean and format:format(d.mean) or "-",
    d.half and ("%s to %s"):format(format:format(d.mean - d.half), format:format(d.mean + d.half)) or "-"
end

-- Rows of a table of differences from the a-th reference: all from the first, those that are tested from others.
local function each_difference(r, a, visit)
  for _, row in ipairs(r.rows) do
    local d = row.differences[a]
    if d and (d.tested or a == 1 and row.kind ~= "single") then
      visit(row, d)
    end
  end
end

local function differences(r, a)
  local rows = { { "row", "difference", "95 % interval", "p", "p (Holm)", "" } }
  each_difference(r, a, function(row, d)
    local mean, interval = signed(d, r.endpoint.format)
    rows[#rows + 1] = { row.name, mean, interval, d.tested and p_value(d.p) or "", d.tested and p_value(d.p_holm) or "",
      d.verdict }
  end)
  return { title = ("Against %s: %s, paired by seed"):format(r.plan.against[a], r.endpoint.title), rows = rows }
end

local function task_differences(r, a)
  local rows = { { "row" } }
  for t, task in ipairs(r.plan.tasks) do
    rows[1][t + 1] = task.name
  end
  each_difference(r, a, function(row, d)
    local cells = { row.name }
    for t, x in ipairs(d.tasks) do
      local mean, interval = signed(x, "%.4f")
      cells[t + 1] = x.half and ("%s (%s)"):format(mean, interval) or mean
    end
    rows[#rows + 1] = cells
  end)
  return { title = ("Against %s: each task's test KPI (descriptive)"):format(r.plan.against[a]), rows = rows }
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
      cells[#cells + 1] = row.means[i] and text.plain(row.means[i], 5) or "-"
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
  tables[1] = summary(r)
  for a in ipairs(r.plan.against) do
    for _, t in ipairs { differences(r, a), task_differences(r, a) } do
      tables[#tables + 1] = #t.rows > 1 and t or nil
    end
  end
  for _, make in ipairs { metrics, settings, weights } do
    tables[#tables + 1] = make(r)
  end
  return tables
end

local function markdown(r)
  local out = { ("# Comparison: %s"):format(r.plan.recipe), "" }
  out[#out + 1] = ("%d tasks, seeds 1 to %d.\n\n![Differences from %s](compare.svg)\n"):format(#r.plan.tasks,
    #r.plan.seeds, text.clean(r.plan.against[1]))
  for _, sentence in ipairs(conclusion(r)) do
    out[#out + 1] = text.clean(sentence) .. "\n"
  end
  for _, t in ipairs(write.tables(r)) do
    out[#out + 1] = "## " .. t.title .. "\n"
    for i, row in ipairs(t.rows) do
      local cells = {}
      for c, cell in ipairs(row) do
        cells[c] = text.clean(cell):gsub("|", "\\|")
      end
      out[#out + 1] = "| " .. table.concat(cells, " | ") .. " |"
      if i == 1 then -- verdicts have no head, and are text
        for c, cell in ipairs(row) do
          cells[c] = (c == 1 or cell == "") and "---" or "--:"
        end
        out[#out + 1] = "|" .. table.concat(cells, "|") .. "|"
      end
    end
    out[#out + 1] = ""
  end
  out[#out + 1] = "## Notes\n"
  for _, note in ipairs(notes(r)) do
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
