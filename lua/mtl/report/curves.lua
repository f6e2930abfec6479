--- The charts of a report: one a task and quantity, where every run has a colour.
local chart = require "mtl.report.chart"
local html = require "mtl.report.html"
local read = require "mtl.report.read"

local curves = {}

local BUDGET = 2.5e6          -- bytes of all lines
local FINE = 1500             -- numbers of a line from which it is drawn fine
local RAW, WINDOWS = 150, 60  -- points from which a mean is drawn over them, and how many it has

--- Breaks a line where its task rested: where a stage without it began between two points.
function curves.broken(points, run, task)
  local rests, out, next_rest = {}, {}, 1
  for _, stage in ipairs(run.stages) do
    rests[#rests + 1] = not stage.active[task] and stage.to > stage.from and stage.from or nil
  end
  if #rests == 0 then
    return points
  end
  for i = 1, #points, 2 do
    local before = points[i - 2]
    while rests[next_rest] and before and rests[next_rest] < points[i] do
      if rests[next_rest] >= before then
        table.move({ before, 0 / 0 }, 1, 2, #out + 1, out)
      end
      next_rest = next_rest + 1
    end
    out[#out + 1], out[#out + 2] = points[i], points[i + 1]
  end
  return out
end

-- Means of neighbours.
local function smooth(means)
  local k, out = math.ceil(#means / 2 / WINDOWS), {}
  for first = 1, #means, 2 * k do
    local x, y, n = 0, 0, 0
    for i = first, math.min(first + 2 * k - 2, #means), 2 do
      x, y, n = x + means[i], y + means[i + 1], n + 1
    end
    out[#out + 1], out[#out + 2] = x / n, y / n
  end
  return out
end

--- Adds the curve of a run to the series of a chart. @param style "", "raw" or "valid"; what: "smoothed"
function curves.add(series, run, points, what, style, label)
  local fine = style == "" and #points > FINE and "fine" or style
  series[#series + 1] = { points = points, class = run.class .. " " .. fine,
    name = run.alone and what or run.letter .. " " .. what, label = label and (run.alone and what or run.letter) }
end

-- A quantity as it was logged; where it is long, pale, with its mean over it.
local function add_raw(series, run, curve, task, what)
  local points = task and curves.broken(curve.points, run, task) or curve.points
  if curve.n <= RAW then
    return curves.add(series, run, points, what, "", true)
  end
  curves.add(series, run, points, what, "raw")
  local mean = smooth(curve.means)
  series[#series + 1] = { points = task and curves.broken(mean, run, task) or mean, class = run.class,
    label = run.alone and "mean" or run.letter }
end

local function add_valid(series, run, task, key)
  local c = read.curve(run.valid, "tasks", task, key)
  if c then
    curves.add(series, run, c.points, "valid", c.n <= 40 and "valid dots" or "valid", run.alone)
  end
end

--- What all charts of a report share.
function curves.common(runs)
  local o, same, count = { steps = 0, stages = {}, several = #runs > 1 }, true, 0
  local function key(run)
    local list = {}
    for i, s in ipairs(run.stages) do
      list[i] = ("%s\0%d\0%d"):format(s.name, s.from, s.to)
    end
    return table.concat(list, "\0")
  end
  for i, run in ipairs(runs) do
    o.steps = math.max(o.steps, run.steps)
    same = same and key(run) == key(runs[1])
    count = count + 5 * #run.tasks + 4 + (run.diagnose[1] and #run.tasks + 6 or 0)
    o.stages[i] = {}
    for k, s in ipairs(run.stages) do
      o.stages[i][k] = { name = s.name, from = s.from, to = s.to, class = run.class }
    end
  end
  o.stages = same and { o.stages[1] } or o.stages
  o.columns = math.max(40, math.min(260, math.floor(BUDGET / count / 36)))
  o.strips = count > 100 and 12 or 40
  return o
end

--- A figure with a chart; nil where there is nothing to draw.
function curves.draw(base, title, unit, series, more)
  local o = { title = title .. ": " .. unit, unit = unit, series = series }
  for _, part in ipairs { base, more or {} } do
    for key, value in pairs(part) do
      o[key] = value
    end
  end
  return html.figure(("<b>%s</b> %s"):format(html.text(title), html.text(unit)), chart.draw(o))
end

-- Series of one quantity of a task, over all runs that have it.
local function quantity(runs, task, fill)
  local series = {}
  for _, run in ipairs(runs) do
    fill(series, run, function(key)
      return read.curve(run.step, "tasks", task, key)
    end)
  end
  return series
end

local function of_task(runs, task)
  local q = {}
  q.loss = quantity(runs, task, function(series, run, get)
    if get "loss" then
      add_raw(series, run, get "loss", task, "loss")
    end
    add_valid(series, run, task, "loss")
  end)
  q.kpi = quantity(runs, task, function(series, run, get)
    if get "kpi" then
      curves.add(series, run, curves.broken(get("kpi").points, run, task), "raw", "raw")
    end
    if get "kpi_ema" then
      curves.add(series, run, curves.broken(get("kpi_ema").points, run, task), "smoothed", "", true)
    end
    add_valid(series, run, task, "kpi")
  end)
  q.weight = quantity(runs, task, function(series, run, get)
    if get "weight" then
      curves.add(series, run, curves.broken(get("weight").points, run, task), "weight", "", not run.alone)
    end
  end)
  return q
end

--- Loss, KPI and weight of each task, and what all tasks share. @param tasks names. @return HTML
function curves.training(runs, tasks)
  local base, parts, all, weights = curves.common(runs), {}, {}, {}
  for i, task in ipairs(tasks) do
    all[i] = of_task(runs, task)
    table.move(all[i].weight, 1, #all[i].weight, #weights + 1, weights)
  end
  local low, high = chart.range(weights) -- one scale, so that the tasks' weights can be compared
  for i, task in ipairs(tasks) do
    local q, figures = all[i], {}
    figures[1] = curves.draw(base, task, "loss", q.loss, { log = "auto" })
    figures[#figures + 1] = curves.draw(base, task, "KPI", q.kpi, { low = 0, high = 1, fixed = true })
    figures[#figures + 1] = curves.draw(base, task, "weight", q.weight, { low = low, high = high, log = "auto" })
    parts[i] = #figures > 0 and html.grid(figures) or nil
  end
  local figures = {}
  for _, one in ipairs { { "loss", "all tasks", "weighted sum of losses" }, { "lr", "optimizer", "learning rate" },
    { "samples_per_s", "speed", "samples/s" } } do
    local series = {}
    for _, run in ipairs(runs) do
      local c = read.curve(run.step, one[1])
      if c then
        add_raw(series, run, c, nil, one[3])
      end
    end
    figures[#figures + 1] = curves.draw(base, one[2], one[3], series, { log = "auto" })
  end
  parts[#parts + 1] = html.grid(figures)
  return table.concat(parts, "\n")
end

return curves
