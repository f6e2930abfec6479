--- Reads metrics.jsonl for a comparison.
local core = require "mtl.core"
local sorted = require "mtl.sorted"

local log = {}

--- What a file holds; nil where there is none.
function log.text(file)
  local f <close> = io.open(file, "rb")
  return f and f:read "a"
end

--- The table that a text of JSON holds, or nil.
function log.decode(text)
  local ok, value = pcall(core.json_decode, text or "")
  return ok and type(value) == "table" and value or nil
end

-- The mean KPI of a validation record over its tasks.
local function mean_kpi(kpis)
  local sum, n = 0, 0
  for _, name in ipairs(sorted(kpis)) do
    sum, n = sum + kpis[name], n + 1
  end
  return n > 0 and sum / n or nil
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

local function add(sums, name, x)
  sums[name] = (sums[name] or 0) + x
end

-- The steps up to a record count for the tasks of the stage that it ends in.
local function count_steps(said, record)
  for _, name in ipairs(math.type(record.step) and said.active or {}) do
    add(said.steps, name, record.step - said.step)
  end
  said.step = math.type(record.step) and record.step or said.step
end

local function read_stage(p, said, record)
  local same_tasks = said.active and table.concat(record.tasks, "\0") == table.concat(said.active, "\0")
  if p.select == "valid" and not same_tasks then
    said.valid, said.kpis = nil, {}
  end
  said.active = record.tasks
  if #record.tasks >= said.most then
    said.most, said.rates = #record.tasks, {}
  end
end

local function read_valid(p, said, record)
  local kpis = {}
  for name, figures in pairs(record.tasks) do
    kpis[name] = type(figures.kpi) == "number" and figures.kpi or nil
    add(said.area, name, kpis[name] or 0)
  end
  said.epochs = said.epochs + 1
  local mean = mean_kpi(kpis)
  if p.select ~= "valid" or not said.valid or mean and mean > said.valid then
    said.valid, said.kpis = mean, kpis
  end
end

--- What the log of a run says: diverged; valid and kpis: the mean validation KPI and each task's own, of the last
-- epoch, or of the best one since the tasks last changed, by the recipe's `select`; area: by task, the mean of its
-- validation KPI over all epochs, 0 in those that do not train it; steps: by task, how many trained it; rate: samples
-- per second in the last stage with the most tasks.
function log.read(p, file)
  local said = { kpis = {}, area = {}, steps = {}, step = 0, epochs = 0, most = 0, rates = {} }
  for line in (log.text(file) or ""):gmatch "([^\n]+)\n" do
    local record = log.decode(line) or {}
    count_steps(said, record)
    if record.kind == "stage" and type(record.tasks) == "table" then
      read_stage(p, said, record)
    elseif record.kind == "step" and said.active and #said.active == said.most
      and type(record.samples_per_s) == "number" then
      table.insert(said.rates, record.samples_per_s)
    elseif record.kind == "valid" and type(record.tasks) == "table" then
      read_valid(p, said, record)
    end
    said.diverged = record.kind == "diverged" and record or nil
  end
  for name, sum in pairs(said.area) do
    said.area[name] = sum / said.epochs
  end
  if #said.rates > 1 then
    table.remove(said.rates, 1) -- the first step also allocates
  end
  said.rate = median(said.rates)
  return said
end

return log
