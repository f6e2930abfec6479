--- A run as a report shows it: what stands in its folder. No recipe is run for that.
local core = require "mtl.core"
local folder = require "mtl.folder"
local form = require "mtl.form"
local path = require "mtl.path"
local sorted = require "mtl.sorted"

local read = {}

local MOST_TEXT = 256 << 10 -- bytes of a recipe's file that are shown
local MOST_FILES = 20

-- Of the lines that come as texts: what a report relies on.
local FORMS = {
  stage = { kind = "string", step = "integer", stage = "string", tasks = { "string" }, ["policy?"] = "string" },
  test = { kind = "string", step = "integer", tasks = { "table" } },
  diverged = { kind = "string", step = "integer", ["message?"] = "string" },
}

local function without_nulls(t)
  for key, value in pairs(t) do
    if value == core.null then
      t[key] = nil
    elseif type(value) == "table" then
      without_nulls(value)
    end
  end
  return t
end

-- The stages, tests and end of a run; of a text that is not what it should be, an error.
local function records(file, texts)
  local list = { stage = {}, test = {}, diverged = {} }
  for _, text in ipairs(texts) do
    local ok, record = pcall(core.json_decode, text)
    local kind = ok and type(record) == "table" and record.kind
    local wrong = not list[kind] and "a line" or form.wrong(record, FORMS[kind], kind)
    if wrong then
      error(("%s is damaged: '%s' is not what it should be, in the line %s"):format(file, wrong, text:sub(1, 80)), 0)
    end
    table.insert(list[kind], without_nulls(record))
  end
  return list
end

-- Stages with the steps that they span: from < step <= to.
local function stages(list, last)
  local spans = {}
  for i, record in ipairs(list) do
    local to = list[i + 1] and list[i + 1].step or last
    local active = {}
    for _, name in ipairs(record.tasks) do
      active[name] = true
    end
    spans[i] = { name = record.stage, policy = record.policy, from = record.step, to = math.max(to, record.step),
      tasks = record.tasks, active = active }
  end
  return spans
end

local function is_curve(c)
  return type(c) == "table" and math.type(c.n) == "integer" -- a task may have any name, but is a table
end

-- The last step of any curve.
local function last_step(curves, most)
  for _, c in pairs(curves) do
    if is_curve(c) then
      most = math.max(most, c.points[#c.points - 1] or 0)
    elseif type(c) == "table" then
      most = last_step(c, most)
    end
  end
  return most
end

-- The files of the recipe, the recipe itself first: { name =, text =, cut = }.
local function files(dir, info)
  local list, at = {}, path.join(dir, "recipe")
  local stat = core.stat(at)
  local names = stat and stat.type == "folder" and core.listdir(at) or {}
  table.sort(names, function(a, b)
    if (a == info.recipe.file) ~= (b == info.recipe.file) then
      return a == info.recipe.file
    end
    return a < b
  end)
  for _, name in ipairs(names) do
    local file = path.join(at, name)
    local kind = core.stat(file)
    local f <close> = kind and kind.type == "file" and #list < MOST_FILES and io.open(file, "rb") or nil
    local text = f and f:read(MOST_TEXT + 1)
    if text then
      list[#list + 1] = { name = name, text = text:sub(1, MOST_TEXT), cut = #text > MOST_TEXT }
    end
  end
  return list
end

-- Names of all tasks: in the order in which stages name them, then those of the test.
local function task_names(run)
  local names, seen = {}, {}
  local function add(name)
    if not seen[name] then
      seen[name], names[#names + 1] = true, name
    end
  end
  for _, stage in ipairs(run.stages) do
    for _, name in ipairs(stage.tasks) do
      add(name)
    end
  end
  for _, name in ipairs(sorted(run.test or {})) do
    add(name)
  end
  return names
end

-- metrics.jsonl, where there is one.
local function metrics(dir)
  local file = path.join(dir, "metrics.jsonl")
  local stat = core.stat(file)
  if not stat then
    return {}, {}, file
  elseif stat.type ~= "file" then
    error(("%s is damaged: it is not a file"):format(file), 0)
  end
  local ok, groups, texts = pcall(core.metrics_read, file)
  if not ok then
    local message = tostring(groups)
    error(message:find(file, 1, true) and message or ("%s is damaged: %s"):format(file, message), 0)
  end
  return groups, texts, file
end

--- Reads a run folder. @return { dir, name, info, summary, state, stages = { { name, policy, from, to, tasks, active }
-- }, steps, tasks (names), step, valid (curves, as their lines are), diagnose = { { tasks, curves } }, test, diverged,
-- files }. A damaged metrics.jsonl is an error that names it and the line.
function read.run(dir)
  local info = without_nulls(folder.info(dir))
  local groups, texts, file = metrics(dir)
  local run = { dir = dir, name = select(2, path.split((core.realpath(dir) or dir))), info = info, step = {},
    valid = {}, diagnose = {}, files = files(dir, info) }
  local list = records(file, texts)
  for _, group in ipairs(groups) do
    if group.kind == "diagnose" then
      table.insert(run.diagnose, group)
    elseif not group.tasks then
      run[group.kind] = group.curves
    end
  end
  run.diverged = list.diverged[#list.diverged]
  run.steps = math.tointeger(last_step(run.step, run.diverged and run.diverged.step or 0))
  run.stages = stages(list.stage, run.steps)
  run.summary = folder.summary(dir)
  if run.summary and run.steps > (math.tointeger(run.summary.steps) or 0) then
    run.summary = nil -- of a shorter training that was resumed since
  end
  run.summary = run.summary and without_nulls(run.summary)
  local test = list.test[#list.test]
  run.test = test and test.step >= run.steps and test.tasks or nil
  run.state = folder.state(run.summary, run.diverged or { step = run.steps > 0 and run.steps or nil })
  run.tasks = task_names(run)
  return run
end

--- The curve at a path of keys in a table of curves, as read.curve(run.step, "tasks", "left", "loss"); nil: none.
function read.curve(curves, ...)
  for _, key in ipairs { ... } do
    if type(curves) ~= "table" or is_curve(curves) then
      return nil
    end
    curves = curves[key]
  end
  return is_curve(curves) and #curves.points > 0 and curves or nil
end

return read
