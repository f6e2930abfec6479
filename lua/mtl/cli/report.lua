--- mtl report RUN...: runs as one page of HTML. What needs a recipe (predictions for the test split) is made by another
-- process, `mtl eval RUN --details`, so that one run's recipe is confined from the others and from the page.
local core = require "mtl.core"
local args = require "mtl.cli.args"
local form = require "mtl.form"
local open = require "mtl.cli.open"
local path = require "mtl.path"
local text = require "mtl.cli.text"

local function last_line(file)
  local f <close> = io.open(file, "rb")
  return (f and f:read "a" or ""):match "([^\n]*)\n*$"
end

-- A recipe may have printed what it likes.
local FORM = { tasks = "table", details = { ["failed?"] = "string",
  rows = { { { inputs = { "table" }, tasks = { "table" } } } }, tasks = { { name = "string",
  ["matrix?"] = { { "number" } }, ["labels?"] = { "string" }, ["of?"] = "number",
  ["truth?"] = { "number" }, ["predicted?"] = { "number" } } } } }

local function fits(value)
  if form.wrong(value, FORM, "eval") then
    return false
  end
  for _, task in ipairs(value.details.tasks) do
    local n = #(task.matrix or {})
    for _, row in ipairs(task.matrix or {}) do
      if #row ~= n then
        return false
      end
    end
    if #(task.labels or {}) ~= n or #(task.truth or {}) ~= #(task.predicted or {}) then
      return false
    end
  end
  return true
end

-- What `mtl eval --details` says of a run. @return table, or nil and why not
local function details_of(dir, options)
  local words, log = { "mtl", "eval", dir, "--details" }, os.tmpname()
  for _, name in ipairs { "data", "device", "threads", "memory" } do
    if options[name] then
      table.move({ "--" .. name, tostring(options[name]) }, 1, 2, #words + 1, words)
    end
  end
  words[#words + 1] = options.trust and "--trust" or nil
  local started, status = pcall(core.spawn, words, log)
  if started then
    local pid
    repeat
      pid, status = core.wait_any(60)
    until pid
  end
  local said = last_line(log)
  core.remove(log)
  if status ~= 0 then
    return nil, said:gsub("^mtl: ", "")
  end
  local ok, value = pcall(core.json_decode, said)
  if ok and fits(value) then
    return value
  end
  return nil, "its answer cannot be read"
end

-- Completes a run by its predictions for the test split.
local function look(run, options)
  if options.no_test then
    run.no_details = "--no-test"
    return
  end
  local value, why = details_of(run.dir, options)
  if value then
    run.details, run.test = value.details, run.test or value.tasks
  else
    run.no_details = why
    io.stderr:write("mtl: warning: ", text.clean(("%s: the test split is left out: %s"):format(run.dir, why)), "\n")
  end
end

return {
  name = "report",
  summary = "runs as one page of HTML",
  usage = { "mtl report RUN... [OPTIONS]" },
  arguments = { "RUN", rest = true },
  options = {
    { name = "output", short = "o", value = "FILE", read = args.path,
      help = "where the page goes (default: report.html, of one run in its folder)" },
    { name = "no-test", help = "leave out the predictions for the test split, which need the recipe and its data" },
    open.options.data, open.options.device, open.options.threads, open.options.memory,
    open.options.trust,
  },
  notes = [[
The page shows loss, KPI and weight of each task over the steps, the gradients of runs made with `diagnose`, the test
split, the recipe, the environment and the command that repeats a run; several runs in the same charts. It is one file:
no script, nothing from the network. `mtl run` leaves the report of its run in its folder.]],
  run = function(options, rest)
    local read, runs = require "mtl.report.read", {}
    options.data = open.data_folder(options.data)
    for i, dir in ipairs(rest) do
      path.check(dir, "folder")
      runs[i] = read.run(dir)
    end
    for _, run in ipairs(runs) do
      look(run, options)
    end
    local file = options.output or (#rest == 1 and path.join(rest[1], "report.html") or "report.html")
    core.file_write(file, require "mtl.report".page(runs))
    text.say(text.clean(file))
  end,
}
