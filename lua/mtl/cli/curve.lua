--- What a training's steps were, kept to be drawn: by task and step the loss, the KPI, its average and the weight. A
-- long training is thinned out: then one step in 2, in 4, ... is kept.
local core = require "mtl.core"

local curve = {}
curve.__index = curve

local MOST = 8192 -- steps that are kept

--- @param tasks names in order
function curve.new(tasks)
  return setmetatable({ tasks = tasks, steps = {}, of = {}, every = 1, seen = 0 }, curve)
end

local kept = { "loss", "kpi", "kpi_ema", "weight" }

local function thin(self)
  local n = 0
  for i = 1, #self.steps, 2 do
    n = n + 1
    self.steps[n] = self.steps[i]
    for _, series in pairs(self.of) do
      for _, key in ipairs(kept) do
        series[key][n] = series[key][i]
      end
    end
  end
  for i = #self.steps, n + 1, -1 do
    self.steps[i] = nil
    for _, series in pairs(self.of) do
      for _, key in ipairs(kept) do
        series[key][i] = nil
      end
    end
  end
  self.every = self.every * 2
end

--- Adds the record of a step, as a run's log has it.
function curve:add(record)
  self.seen = self.seen + 1
  if (self.seen - 1) % self.every ~= 0 then
    return
  end
  self.steps[#self.steps + 1] = record.step
  local n = #self.steps
  for name, r in pairs(record.tasks) do
    self.of[name] = self.of[name] or { loss = {}, kpi = {}, kpi_ema = {}, weight = {} }
    for _, key in ipairs(kept) do
      local value = r[key]
      self.of[name][key][n] = value ~= core.null and value or nil
    end
  end
  if n >= MOST then
    thin(self)
  end
end

--- The series of a figure ("loss", "kpi", "kpi_ema", "weight"), a task each: { { name =, x = steps, y = values with
-- holes, n = places } }.
function curve:series(key)
  local list = {}
  for _, name in ipairs(self.tasks) do
    if self.of[name] then
      list[#list + 1] = { name = name, x = self.steps, y = self.of[name][key], n = #self.steps }
    end
  end
  return list
end

--- The curve of a run's log. @param file its metrics.jsonl
function curve.read(file)
  local records, names, seen = {}, {}, {}
  for line in io.lines(file) do
    local ok, record = pcall(core.json_decode, line)
    if not ok or type(record) ~= "table" then
      error(("%s is damaged: line %d is no JSON"):format(file, #records + 1), 0)
    end
    if record.kind == "step" then
      records[#records + 1] = record
    end
    for _, name in ipairs(record.kind == "stage" and record.tasks or {}) do
      names[#names + 1], seen[name] = not seen[name] and name or nil, true
    end
  end
  local self = curve.new(names)
  for _, record in ipairs(records) do
    self:add(record)
  end
  return self
end

return curve
