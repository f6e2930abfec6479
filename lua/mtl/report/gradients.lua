--- Charts of the tasks' gradients, of runs that were made with `diagnose`.
local curves = require "mtl.report.curves"
local html = require "mtl.report.html"
local read = require "mtl.report.read"

local gradients = {}

-- Curves of a run's diagnoses, over the stages: norms by task, cosines by pair.
local function diagnosed(run)
  local norms, cosines, order = {}, {}, {}
  local function join(list, key, c)
    if c then
      list[key] = list[key] or { points = {}, sum = 0, n = 0 }
      local into = list[key]
      table.move(c.points, 1, #c.points, #into.points + 1, into.points)
      for i = 2, #c.means, 2 do
        into.sum, into.n = into.sum + c.means[i], into.n + 1
      end
    end
  end
  for _, group in ipairs(run.diagnose) do
    for i, a in ipairs(group.tasks or {}) do
      join(norms, a, read.curve(group.curves, "norms", a))
      for j = i + 1, #group.tasks do
        local key = tostring(a) .. "\0" .. tostring(group.tasks[j])
        if not cosines[key] then
          order[#order + 1] = { key = key, a = a, b = group.tasks[j] }
        end
        join(cosines, key, read.curve(group.curves, "cosines", i, j))
      end
    end
  end
  return norms, cosines, order
end

local MOST_PAIRS = 6

-- The pairs that conflict most come first: { a =, b =, mean =, series = }.
local function pairs_of(runs, of)
  local list, by = {}, {}
  for _, run in ipairs(runs) do
    for _, pair in ipairs(of[run].order) do
      local c = of[run].cosines[pair.key]
      if c then
        local one = by[pair.key] or { a = pair.a, b = pair.b, sum = 0, n = 0, series = {} }
        if not by[pair.key] then
          by[pair.key], list[#list + 1] = one, one
        end
        one.sum, one.n = one.sum + c.sum, one.n + c.n
        curves.add(one.series, run, c.points, "cosine", "", not run.alone)
      end
    end
  end
  for _, one in ipairs(list) do
    one.mean = one.n > 0 and one.sum / one.n or 0
  end
  table.sort(list, function(x, y)
    return x.mean < y.mean
  end)
  return list
end

--- Norms and cosines of the tasks' gradients, where a run was made with `diagnose`. @return HTML, or nil
function gradients.page(runs, tasks)
  local base, of, any, figures = curves.common(runs), {}, false, {}
  for _, run in ipairs(runs) do
    local norms, cosines, order = diagnosed(run)
    of[run], any = { norms = norms, cosines = cosines, order = order }, any or next(norms) ~= nil
  end
  if not any then
    return nil
  end
  for _, task in ipairs(tasks) do
    local series = {}
    for _, run in ipairs(runs) do
      local c = of[run].norms[task]
      if c then
        curves.add(series, run, curves.broken(c.points, run, task), "norm", "", not run.alone)
      end
    end
    figures[#figures + 1] = curves.draw(base, task, "gradient norm", series, { log = "auto" })
  end
  local list = pairs_of(runs, of)
  for i = 1, math.min(#list, MOST_PAIRS) do
    local pair = list[i]
    figures[#figures + 1] = curves.draw(base, ("%s and %s"):format(pair.a, pair.b), "cosine of gradients",
      pair.series, { low = -1, high = 1, fixed = true })
  end
  local rest = #list > MOST_PAIRS and ("<p>The %d pairs of %d whose mean cosine is lowest.</p>"):format(MOST_PAIRS,
    #list) or ""
  return html.grid(figures) .. rest
end

return gradients
