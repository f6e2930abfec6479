--- The sentences that belong to the tables of a comparison.
local function missing(r)
  local n = 0
  for _, row in ipairs(r.rows) do
    n = n + (row.kind == "tuned" and 0 or #row.runs - row.done - row.diverged)
  end
  return n
end

-- "fixed 0.1/0.9 (9), fixed 0.25/0.75 (1)": what was chosen, and for how many seeds.
local function picks(row)
  local count, order, parts = {}, {}, {}
  for _, name in ipairs(row.picks) do
    name = name or "none"
    order[#order + 1] = not count[name] and name or nil
    count[name] = (count[name] or 0) + 1
  end
  for i, name in ipairs(order) do
    parts[i] = ("%s (%d)"):format(name, count[name])
  end
  return table.concat(parts, ", ")
end

-- "left 100, right 90 (uniform, focal)": rows that train their tasks alike, together.
local function steps(r)
  local lines, names = {}, {}
  for _, row in ipairs(r.rows) do
    local parts = {}
    for t, task in ipairs(r.plan.tasks) do
      parts[t] = row.steps[t] and ("%s %.0f"):format(task.name, row.steps[t])
    end
    local line = row.kind ~= "tuned" and #parts == #r.plan.tasks and table.concat(parts, ", ")
    if line and not names[line] then
      lines[#lines + 1], names[line] = line, {}
    end
    if line then
      table.insert(names[line], row.name)
    end
  end
  for i, line in ipairs(lines) do
    lines[i] = #lines > 1 and ("%s (%s)"):format(line, table.concat(names[line], "; ")) or line
  end
  return lines
end

return function(r)
  local p, notes = r.plan, {}
  local function note(...)
    notes[#notes + 1] = (...):format(select(2, ...))
  end
  if missing(r) > 0 then
    note("Not all runs are there yet: %d of %d rows by seeds are missing or unfinished.", missing(r),
      #p.rows * #p.seeds)
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
  if p.planned then
    note("The comparison was planned with %s as its primary endpoint.", p.planned)
  end
  if r.endpoint.area then
    note("area: the mean of the validation KPI over all epochs of a run; one that does not train the task counts as 0.")
  end
  if r.tested > 0 then
    note("p (Holm) is corrected for the %d comparison%s of policies. \"could see\" is the true difference that a "
      .. "test at .05/%d would have found in four of five such comparisons.",
      r.tested, r.tested == 1 and "" or "s", r.tested)
  end
  for _, guard in ipairs(p.guards) do
    note("%s may lose %g of its test KPI: it held where the whole interval of its difference lies above that, has lost "
      .. "more where all of it lies below.", guard.task, guard.most)
  end
  if r.rows.tuned then
    note("%s: with each seed the weights of the grid that are best on validation (%s%s) over the other seeds: %s.",
      r.rows.tuned.name, r.endpoint.area and r.endpoint.title or "mean KPI", #p.guards > 0 and ", guards kept" or "",
      picks(r.rows.tuned))
  end
  for _, line in ipairs(steps(r)) do
    note("Steps that trained each task: %s.", line)
  end
  for _, refused in ipairs(p.refused or {}) do
    note("Not run: %s: %s.", refused.name, refused.reason)
  end
  note("%sSingle tasks train alone, under uniform, for the most epochs that the recipe trains them. Every run is "
    .. "tested once, %s.", r.rows.fixed and "Fixed weights are baselines, and not tested. " or "", p.select == "valid"
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
