--- How a training shows itself. On a terminal: a bar with a line for each task, drawn at most ten times a second, and
-- a line for each epoch that is done; elsewhere the lines alone. Quiet: nothing. The trainer calls start, step, epoch,
-- done and warn; close takes the bar away, whatever happened.
local core = require "mtl.core"
local figures = require "mtl.cli.figures"
local screen = require "mtl.cli.screen"
local text = require "mtl.cli.text"

local progress = {}
progress.__index = progress

local SECONDS = 0.1    -- between two drawings
local MOST_TASKS = 12  -- lines for tasks
local SMOOTHING = 0.9  -- of samples per second

--- @param options quiet; max_steps; device, which is named unless it is the CPU; and for tests: terminal, utf8, file,
-- clock
function progress.new(options)
  local self = setmetatable({ quiet = options.quiet, max_steps = options.max_steps, device = options.device },
    progress)
  self.file = options.file or io.stdout
  self.clock = options.clock or core.clock
  self.terminal = options.terminal
  if self.terminal == nil then
    self.terminal = core.isatty(1) and os.getenv "TERM" ~= "dumb"
  end
  self.utf8 = options.utf8
  if self.utf8 == nil then
    self.utf8 = text.utf8()
  end
  self.screen = self.terminal and not self.quiet and screen.new(self.file) or nil
  return self
end

-- A line that stays.
local function say(self, line)
  if self.quiet then
    return
  elseif self.screen then
    self.screen:print(text.clean(line))
  else
    self.file:write(text.clean(line), "\n")
    self.file:flush()
  end
end

-- Steps of every stage, at most; false where only KPIs end it.
local function plan(self, info)
  self.lengths = {}
  for i, stage in ipairs(info.stages) do
    local length = stage.ends:length(info.batches[i]) or math.huge
    length = math.min(length, (stage.max_epochs or math.huge) * info.batches[i])
    self.lengths[i] = length < math.huge and length
  end
end

local function epochs_of(self, stage)
  return self.lengths[stage] and math.ceil(self.lengths[stage] / self.batches[stage])
end

-- Steps and epochs of all stages; nil where they are not known.
local function totals(self)
  local steps, epochs = 0, 0
  for i, length in ipairs(self.lengths) do
    steps = steps and length and steps + length
    epochs = epochs and length and epochs + epochs_of(self, i)
  end
  if self.max_steps and (not steps or self.max_steps < steps) then
    return self.max_steps, nil
  end
  return steps or nil, epochs or nil
end

-- A stage that is over was as long as it was.
local function note(self, ev)
  local last = self.last
  if last and ev.stage_index > last.index then
    self.lengths[last.index] = last.steps
  end
  self.last = { index = ev.stage_index, steps = ev.stage_step }
end

function progress:start(info)
  self.tasks, self.batches, self.out = info.recipe.tasks, info.batches, info.out
  self.first = info.resumed or 0
  self.began, self.drawn = self.clock(), nil
  plan(self, info)
  say(self, ("%s: %s parameters (%s shared), %s examples to train on, seed %s%s"):format(info.recipe.name,
    text.count(info.parameters), text.count(info.shared), text.count(info.rows.train), info.seed,
    (self.device or "cpu") ~= "cpu" and ", on " .. self.device or ""))
  if info.finished then
    say(self, ("already finished, at step %s; to train on from its weights: mtl run RECIPE --init %s")
      :format(text.count(info.resumed), info.out))
  elseif info.resumed then
    say(self, ("going on from step %s"):format(text.count(info.resumed)))
  end
end

-- Seconds to the end of the training, by the speed so far.
local function left(self, step, total)
  local done, spent = step - self.first, self.clock() - self.began
  return total and done > 0 and (total - step) * spent / done or nil
end

-- Parts of the first line, the dearest first; what does not fit is left out, and the bar takes the rest.
local function headline(self, ev, columns)
  local stage_epoch = (ev.stage_step - 1) // self.batches[ev.stage_index] + 1
  local of = epochs_of(self, ev.stage_index)
  local fraction = self.lengths[ev.stage_index] and ev.stage_step / self.lengths[ev.stage_index]
    or ev.batch / ev.batches
  local total = totals(self)
  local time = left(self, ev.step, total)
  local parts = {
    ("epoch %d%s"):format(stage_epoch, of and "/" .. of or ""),
    ("step %s%s"):format(text.count(ev.step), total and "/" .. text.count(total) or ""),
    time and text.duration(time) .. " left",
    self.rate and text.count(self.rate) .. " samples/s",
  }
  local name = text.shorten(text.clean(ev.stage), columns // 3, self.utf8)
  local room = columns - text.width(name) - 2
  local shown = {}
  for i = 1, 4 do
    if parts[i] and room >= text.width(parts[i]) then
      shown[#shown + 1] = parts[i]
      room = room - text.width(parts[i]) - 2
    end
  end
  if room >= 6 then
    local bar = text.bar(fraction, math.min(room, 40), self.utf8 and "line" or "ascii")
    table.insert(shown, math.min(2, #shown + 1), bar)
  end
  return name .. "  " .. table.concat(shown, "  ")
end

local function block(self, ev)
  local columns = screen.columns() - 1
  local names, results, sum = {}, {}, 0
  for _, task in ipairs(self.tasks) do
    local r = ev.tasks[task.name]
    if r then
      names[#names + 1], results[#results + 1] = text.clean(task.name), r
      sum = sum + math.max(r.weight, 0)
    end
  end
  local room = math.min(MOST_TASKS, screen.height() - 1)
  local shown = #names <= room and #names or math.max(room - 1, 0)
  local lines = figures.lines(table.move(names, 1, shown, 1, {}), table.move(results, 1, shown, 1, {}), sum, columns,
    self.utf8)
  if shown < #names and room > 0 then
    lines[#lines + 1] = ("  ... and %d more"):format(#names - shown)
  end
  table.insert(lines, 1, headline(self, ev, columns))
  return lines
end

function progress:step(ev)
  note(self, ev)
  if not self.screen then
    return
  end
  local rate = ev.samples_per_s
  self.rate = self.rate and SMOOTHING * self.rate + (1 - SMOOTHING) * rate or rate
  local now = self.clock()
  if not self.drawn or now - self.drawn >= SECONDS then
    self.drawn = now
    self.screen:draw(block(self, ev))
  end
end

--- One line, on a terminal as many as its width asks for: validation losses and KPIs, which the first line says, or
-- those of the last step where the data have no such split.
function progress:epoch(ev)
  note(self, ev)
  local _, epochs = totals(self)
  local parts = { ("epoch %d%s"):format(ev.epoch, epochs and "/" .. epochs or ""), ev.stage }
  local columns = self.screen and screen.columns() - 1 or math.huge
  for _, task in ipairs(self.tasks) do
    local r = (ev.valid or ev.tasks or {})[task.name]
    if r then
      local figure = (": loss %s KPI %s"):format(text.loss(r.loss), text.kpi(r.kpi))
      parts[#parts + 1] = text.shorten(text.clean(task.name), math.max(columns - #figure - 2, 4), self.utf8) .. figure
    end
  end
  parts[#parts + 1] = not ev.valid and "(last training batch)" or not self.told and "(validation)" or nil
  self.told = true
  for _, line in ipairs(text.wrap(parts, columns)) do
    say(self, line)
  end
  self.drawn = nil
end

function progress:done(summary)
  self:close()
  if self.quiet then
    return
  end
  if next(summary.test or {}) then
    self.file:write("\n", table.concat(text.results("test", self.tasks, summary.test), "\n"), "\n\n")
  end
  local kept = summary.kept
  if kept then
    self.file:write(("kept: epoch %d, whose mean validation KPI of %s is the best\n"):format(kept.epoch,
      text.kpi(kept.kpi)))
  end
  self.file:write(("%s, %s in %s (%s samples/s)%s\n%s\n"):format(text.several(summary.steps, "step"),
    text.several(summary.epochs, "epoch"), text.seconds(summary.seconds), text.count(summary.samples_per_s),
    summary.max_steps and "; stopped by --max-steps, before its end" or "", text.clean(summary.out)))
  self.file:flush()
end

--- What people should know of how the training began.
function progress:note(line)
  say(self, line)
end

--- Warnings are not errors: quiet holds them back.
function progress:warn(message)
  if not self.quiet then
    self:close()
    io.stderr:write("mtl: warning: ", text.clean(message), "\n")
  end
end

function progress:close()
  if self.screen then
    self.screen:close()
  end
end

return progress
