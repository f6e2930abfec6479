--- The question of a comparison, as its plan keeps it: primary ("kpi", "delta_m", "area:TASK"), the endpoint; against,
-- names of the rows that policies are compared with; guards { task, most }, what they may cost a task.
local core = require "mtl.core"
local nearest = require "mtl.nearest"
local rows = require "mtl.compare.rows"

local question = { TUNED = "tuned fixed" } -- the row that claims.lua makes

-- Endpoints: what of a run they are, what of it chooses fixed weights (higher is better), how they are shown.
local endpoints = {
  kpi = { title = "mean test KPI", higher = true, format = "%.4f", on_valid = "valid" },
  delta_m = { title = "delta m (%)", higher = false, format = "%.2f", on_valid = "valid" },
}

local function check_task(p, name, option)
  local names = {}
  for _, task in ipairs(p.tasks) do
    names[task.name] = true
  end
  if not names[name] then
    error(("compare: --%s: %s"):format(option, nearest.unknown("task", name, names)), 0)
  end
end

--- The primary endpoint of a plan: { title, higher, format, of(run), on_valid(run) }, both in the same sense.
function question.endpoint(p)
  local task = p.primary:match "^area:(.+)$"
  local function area(run)
    return run.area[task]
  end
  if task then
    return { title = "area under the validation KPI of " .. task, higher = true, format = "%.4f", of = area,
      on_valid = area, area = true }
  end
  local known = endpoints[p.primary]
  return setmetatable({
    of = function(run) return run[p.primary] end,
    on_valid = function(run) return run[known.on_valid] end,
  }, { __index = known })
end

local function read_guard(p, entry)
  local most = tonumber(entry[2])
  check_task(p, entry[1], "guard")
  if not most or not (most >= 0 and most < 1) then
    error(("compare: --guard %s=%s: it should be how much of the KPI may be lost, as in %s=0.01"):format(entry[1],
      entry[2], entry[1]), 0)
  end
  return { task = entry[1], most = most }
end

-- Rows that policies are compared with are not tested themselves: of what is asked for, something should be left.
local function check_tested(p)
  local asked = false
  for _, row in ipairs(p.rows) do
    local reference = false
    for _, name in ipairs(p.against) do
      reference = reference or name == row.name
    end
    if row.kind == "policy" and not reference then
      return
    end
    asked = asked or row.kind == "policy"
  end
  if asked then
    error(("compare: --against %s names every policy that is asked for, which leaves none to test; --policies should "
      .. "name one more, or --against what they are compared with, as uniform"):format(table.concat(p.against, ",")), 0)
  end
end

--- Puts the question into a plan; what the options leave out stays as it stands there.
-- @param options primary (text), against (text), guard { { task, text } }
function question.add(p, options)
  p.primary = options.primary or p.primary or "kpi"
  if not endpoints[p.primary] then
    local task = p.primary:match "^area:(.+)$"
    if not task then
      error(("compare: --primary is '%s', which should be one of kpi, delta_m, area:TASK%s"):format(p.primary,
        nearest.hint(p.primary, endpoints)), 0)
    end
    check_task(p, task, "primary")
  end
  p.against = options.against and rows.split(options.against) or p.against or { "uniform" }
  local names = {}
  for _, row in ipairs(p.rows) do
    names[row.name] = true
    names[question.TUNED] = names[question.TUNED] or row.kind == "fixed" or nil
  end
  for i, name in ipairs(p.against) do
    if not names[name] then
      error("compare: --against: " .. nearest.unknown("row", name, names), 0)
    end
    for k = 1, i - 1 do
      if p.against[k] == name then
        error(("compare: --against names '%s' twice"):format(name), 0)
      end
    end
  end
  check_tested(p)
  if options.guard or not p.guards then
    p.guards = core.array {}
    for i, entry in ipairs(options.guard or {}) do
      p.guards[i] = read_guard(p, entry)
    end
  end
end

return question
