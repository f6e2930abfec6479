--- Results of runs of one recipe, as a bundle claims them and as it is verified: the test figures of each seed, and for
-- every figure the mean over seeds with its 95 % interval.
local core = require "mtl.core"
local folder = require "mtl.folder"
local form = require "mtl.form"
local log = require "mtl.compare.log"
local path = require "mtl.path"
local stats = require "mtl.compare.stats"
local sorted = require "mtl.sorted"

local results = {}

results.LEAST = 3 -- seeds that an interval takes

local RUN = { seed = "integer", device = "string", mtl = "string", steps = "integer", epochs = "integer",
  test = { { ["kpi?"] = "number", ["loss?"] = "number", ["metrics?"] = { "number" } } } }
local FIGURE = { task = "string", name = "string", n = "integer", mean = "number", ["sd?"] = "number",
  ["half?"] = "number" }
results.FORM = { runs = { RUN }, figures = { FIGURE } }

-- Figures that are numbers.
local function figures_of(test)
  local kept = {}
  for name, t in pairs(test) do
    local metrics = {}
    for metric, x in pairs(type(t.metrics) == "table" and t.metrics or {}) do
      metrics[metric] = type(x) == "number" and x or nil
    end
    kept[name] = { kpi = type(t.kpi) == "number" and t.kpi or nil, loss = type(t.loss) == "number" and t.loss or nil,
      metrics = next(metrics) and metrics }
  end
  return kept
end

--- Why a run is no result of the recipe as it stands, or nil. @param files the recipe's { name, text }
function results.other(dir, files)
  local info = folder.info(dir)
  for _, file in ipairs(files) do
    if log.text(path.join(path.join(dir, "recipe"), file.name)) ~= file.text then
      return ("it was trained with another %s"):format(file.name)
    end
  end
  if #info.set > 0 then
    return ("it was trained with --set %s=%s, which the recipe does not say"):format(tostring(info.set[1][1]),
      tostring(info.set[1][2]))
  elseif info.init and info.init ~= core.null then
    return "it started from another run's weights (--init)"
  end
end

--- What a finished run says: { seed, device, mtl, steps, epochs, test }; nil and why where it has no result.
function results.of(dir)
  local info = folder.info(dir)
  local summary = log.decode(log.text(path.join(dir, "summary.json")))
  if not summary or type(summary.test) ~= "table" or not next(summary.test) then
    return nil, "it is not finished"
  elseif summary.steps == info.max_steps then
    return nil, ("it was stopped after %d steps (--max-steps)"):format(summary.steps)
  end
  return { seed = info.seed, device = info.device, mtl = info.version, steps = summary.steps,
    epochs = summary.epochs, test = figures_of(summary.test) }
end

--- The mean of each figure over runs: { { task, name ("kpi", "loss" or a metric's), n, mean, sd, half }, ... }, by task
-- and name. A run that lacks a figure is left out of its mean.
function results.figures(runs)
  local values = {}
  local function add(task, name, x)
    local key = task .. "\0" .. name
    values[key] = values[key] or { task = task, name = name, list = {} }
    table.insert(values[key].list, x)
  end
  for _, run in ipairs(runs) do
    for task, t in pairs(run.test) do
      add(task, "kpi", t.kpi)
      add(task, "loss", t.loss)
      for name, x in pairs(t.metrics or {}) do
        add(task, "metric " .. name, x)
      end
    end
  end
  local list = core.array {}
  for i, key in ipairs(sorted(values)) do
    local v = values[key]
    local s = stats.summary(v.list)
    list[i] = { task = v.task, name = v.name:gsub("^metric ", ""), n = s.n, mean = s.mean, sd = s.sd, half = s.half }
  end
  return list
end

--- All that a bundle holds of runs, by seed. @return nil where there are none
function results.claim(runs)
  if #runs == 0 then
    return nil
  end
  table.sort(runs, function(a, b) return a.seed < b.seed end)
  for i = 2, #runs do
    if runs[i].seed == runs[i - 1].seed then
      error(("pack: two runs have seed %s; leave one of them out of --results"):format(runs[i].seed), 0)
    end
  end
  return { runs = core.array(runs), figures = results.figures(runs) }
end

local function near(a, b)
  return a == b or type(a) == "number" and type(b) == "number"
    and math.abs(a - b) <= 1e-9 * math.max(math.abs(a), math.abs(b))
end

-- A number that JSON left out.
local function number(x)
  return x ~= core.null and x or nil
end

--- What is wrong with a bundle's results, or nil: their means must be those of their runs.
function results.wrong(claim)
  local bad = form.wrong(claim, results.FORM, "results")
  if bad then
    return bad
  end
  local figures = results.figures(claim.runs)
  for i, f in ipairs(figures) do
    local said = claim.figures[i] or {}
    for _, name in ipairs { "task", "name", "n", "mean", "sd", "half" } do
      if f[name] ~= said[name] and not near(f[name], number(said[name])) then
        return "results.figures"
      end
    end
  end
  return #figures ~= #claim.figures and "results.figures" or nil
end

--- Whether each packed mean lies within the interval of the new one: { { task, name, packed, mean, half, within },
-- ... }.
function results.compare(packed, new)
  local by, list = {}, {}
  for _, f in ipairs(new) do
    by[f.task .. "\0" .. f.name] = f
  end
  for i, f in ipairs(packed) do
    local g = by[f.task .. "\0" .. f.name] or {}
    list[i] = { task = f.task, name = f.name, packed = f.mean, mean = g.mean, half = g.half,
      within = g.half and (near(f.mean, g.mean) or math.abs(f.mean - g.mean) <= g.half) or false }
  end
  return list
end

return results
