--- mtl runs [DIR]: a table of the runs in a folder. It reads only what the folders say; no recipe is run.
local core = require "mtl.core"
local folder = require "mtl.folder"
local path = require "mtl.path"
local text = require "mtl.cli.text"
local sorted = require "mtl.sorted"

-- The last line of metrics.jsonl that is whole: where an unfinished run stands.
local function last_record(file)
  local f <close> = io.open(file, "rb")
  if not f then
    return nil
  end
  local size = f:seek "end"
  f:seek("set", math.max(0, size - 65536))
  local last
  for line in f:read("a"):gmatch "([^\n]+)\n" do
    last = line
  end
  local ok, record = pcall(core.json_decode, last or "")
  return ok and type(record) == "table" and record or nil
end

-- 2026-01-31T12:00:00Z as local time.
local function when(started)
  local y, mo, d, h, mi, s = tostring(started):match "^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)Z$"
  if not y then
    return "-"
  end
  local at = os.time { year = y, month = mo, day = d, hour = h, min = mi, sec = s, isdst = false }
  local now = os.time()
  local offset = os.difftime(now, os.time(os.date("!*t", now)))
  return os.date("%Y-%m-%d %H:%M", math.floor(at + offset))
end

local function kpis(test)
  local list = {}
  for i, name in ipairs(sorted(test)) do
    list[i] = ("%s %s"):format(name, text.kpi(type(test[name]) == "table" and test[name].kpi or nil))
  end
  return table.concat(list, "  ")
end

-- What stands behind each --set of the run.
local function settings(set)
  local list = {}
  for i, entry in ipairs(set) do
    list[i] = ("%s=%s"):format(tostring(entry[1]), tostring(entry[2]))
  end
  return table.concat(list, "  ")
end

local function row(name, dir)
  local ok, info = pcall(folder.info, dir)
  if not ok then
    return { name, "-", "-", "-", "damaged", "-", "-", "-", "" }
  end
  local summary = folder.summary(dir)
  local last = last_record(path.join(dir, "metrics.jsonl")) or {}
  if summary and last.step and last.step > (summary.steps or 0) then
    summary = nil -- of a shorter training that was resumed since
  end
  local policies = table.concat(info.policies or {}, ", ")
  return { name, info.recipe.name or "-", policies ~= "" and policies or "-", info.seed or "-",
    folder.state(summary, last),
    (summary or last).epochs or last.epoch or 0,
    summary and type(summary.test) == "table" and kpis(summary.test) or "-", when(info.started),
    settings(info.set) }
end

local function is_run(dir)
  return core.stat(path.join(dir, "run.json")) ~= nil
end

return {
  name = "runs",
  summary = "a table of runs",
  usage = { "mtl runs [DIR]" },
  arguments = { "DIR", least = 0 },
  notes = "DIR is a folder of runs (default: runs), or one run. policy: of the stages with several tasks.",
  run = function(_, rest)
    local dir = rest[1] or "runs"
    if not rest[1] and not core.stat(dir) then
      text.say "There are no runs here yet: mtl run RECIPE makes the first."
      return
    end
    path.check(dir, "folder")
    local rows = { { "run", "recipe", "policy", "seed", "state", "epochs", "test KPI", "started", "--set" } }
    if is_run(dir) then
      rows[2] = row(select(2, path.split((dir:gsub("(.)/+$", "%1")))), dir)
    else
      for _, name in ipairs(core.listdir(dir)) do
        if is_run(path.join(dir, name)) then
          rows[#rows + 1] = row(name, path.join(dir, name))
        end
      end
    end
    if #rows == 1 then
      text.say(("There are no runs in %s."):format(text.clean(dir)))
    else
      text.say(table.concat(text.table(rows, { [4] = true, [6] = true }, { 1, 2, 3, 9 }), "\n"))
    end
  end,
}
