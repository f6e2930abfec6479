--- mtl compare: does any policy help on these tasks? Runs every row with every seed, and says what came of it.
local core = require "mtl.core"
local args = require "mtl.cli.args"
local folder = require "mtl.folder"
local open = require "mtl.cli.open"
local path = require "mtl.path"
local text = require "mtl.cli.text"
local wall = require "mtl.wall"

local TIMING_STEPS = "200"
local question = { primary = true, against = true, guard = true } -- options that runs do not depend on

-- gamma=1,2 -> { "gamma", { "1", "2" } }
local function values(s)
  local key, list = s:match "^([^=%s]+)=(.+)$"
  local parts = key and require "mtl.compare.rows".split(list) or {}
  for _, part in ipairs(parts) do
    if part == "" then
      return nil, "path=value,value as in lr=0.001,0.01"
    end
  end
  return key and { key, parts } or nil, "path=value,value as in lr=0.001,0.01"
end

-- The folder of the comparison is there, and holds the plan. p.alone: no two runs were side by side, ever.
local function keep_plan(p, dir)
  local made = core.stat(dir)
  if core.stat(path.join(dir, "plan.json")) then
    p.alone = p.alone and require "mtl.compare.plan".read(dir).alone or false
  elseif made and (made.type ~= "folder" or #core.listdir(dir) > 0) then
    error(("compare: '%s' exists, and is not a comparison; name another --out"):format(dir), 0)
  end
  core.file_write(path.join(dir, "plan.json"), core.json_encode(p, true) .. "\n")
end

-- Jobs of the runs that are not done yet.
local function left(p, c, runs, files)
  local gather, words = require "mtl.compare.gather", require "mtl.compare.run".words
  local jobs = {}
  for _, r in ipairs(runs) do
    local dir = path.join(path.join(c.dir, "runs"), r.id)
    local state = gather.run(p, r, c.dir).state
    if state ~= "missing" then
      folder.same_recipe(dir, files)
    end
    if state == "missing" or state == "begun" then
      jobs[#jobs + 1] = { id = r.id, words = words(c, r) }
    end
  end
  return jobs
end

local function make(c, jobs)
  local run = require "mtl.compare.run"
  local close
  c.progress, close = run.progress(#jobs, c.quiet)
  local ok, message = pcall(run.all, c, jobs)
  close()
  if not ok then
    error(message, 0)
  end
end

-- One short run for each unit, one after the other, with all threads.
local function timing(p, c)
  local rows, gather, run = require "mtl.compare.rows", require "mtl.compare.gather", require "mtl.compare.run"
  local jobs, alone = {}, setmetatable({ threads = c.all_threads, jobs = 1 }, { __index = c })
  for _, row in ipairs(p.rows) do
    for _, unit in ipairs(row.units) do
      if not gather.timing(p, unit, c.dir) then
        local short = p.timing ~= core.null and p.timing
        local r = { id = unit.id, seed = p.seeds[1], set = rows.append(p.set, unit.set, short or {}) }
        jobs[#jobs + 1] = { id = unit.id, words = run.words(alone, r, short and {} or { "--max-steps", TIMING_STEPS }) }
      end
    end
  end
  if #jobs > 0 then
    make(alone, jobs)
  end
end

local function report(p, dir, quiet)
  local write = require "mtl.compare.write"
  local r = require "mtl.compare.result".of(p, dir)
  write.all(r, dir)
  if quiet then
    return
  end
  for _, t in ipairs(write.tables(r)) do
    local right = {}
    for c = 2, #t.rows[1] do
      right[c] = t.rows[1][c] ~= ""
    end
    text.say(t.title, table.concat(text.table(t.rows, right, { 1 }), "\n"), "")
  end
  for _, note in ipairs(require "mtl.compare.notes"(r)) do
    text.say(text.clean(note))
  end
  text.say ""
  for _, sentence in ipairs(require "mtl.compare.conclusion"(r)) do
    text.say(text.clean(sentence))
  end
  text.say(("Report: %s, picture: %s"):format(text.clean(path.join(dir, "compare.md")),
    text.clean(path.join(dir, "compare.svg"))))
end

local function start(file, options, argv)
  local plan, gather, run = require "mtl.compare.plan", require "mtl.compare.gather", require "mtl.compare.run"
  options.data = open.data_folder(options.data)
  open.confine(options, { options.out or "runs" }, true) -- its runs are programs, each behind a wall of its own
  local p, files = plan.new(file, options)
  local jobs, all = options.jobs or 1, options.threads or core.cores()
  p.alone = jobs == 1 and not options.dry_run
  local c = { program = argv[0] or "mtl", recipe = file, dir = options.out or path.join("runs", p.recipe .. "-compare"),
    data = options.data, device = options.device, trust = options.trust, memory = options.memory, jobs = jobs,
    quiet = options.quiet, all_threads = all, threads = math.max(1, all // jobs) }
  core.mkdir(c.dir)
  wall.narrow { c.dir }
  if not core.lock(c.dir) then
    error(("compare: '%s' is in use by another mtl compare, or by runs of one that are about to end"):format(c.dir), 0)
  end
  local first = left(p, c, (gather.runs(p, c.dir)), files) -- runs of another plan are noticed before this one is kept
  keep_plan(p, c.dir)
  if options.dry_run then
    for _, job in ipairs(first) do
      text.say(run.line(job.words))
    end
    return
  end
  if not options.quiet then
    text.say(plan.describe(p))
  end
  core.catch_signals()
  repeat -- tuning, where it is asked for, then the runs that count
    local runs, tuning = gather.runs(p, c.dir)
    make(c, left(p, c, runs, files))
  until not tuning
  if options.timing then
    timing(p, c)
  end
  report(p, c.dir, options.quiet)
end

return {
  name = "compare",
  summary = "does any policy help? runs them all, with seeds and intervals",
  usage = { "mtl compare RECIPE --policies a,b,c --seeds N [OPTIONS]",
    "mtl compare DIR [--primary WHAT] [--against A,B] [--guard TASK=X]" },
  arguments = { "RECIPE" },
  options = {
    { name = "policies", value = "A,B", help = "policies of every stage with two tasks or more: focal,focal{gamma=1}; "
      .. "recipe: those it has; flat:NAME: all tasks from the start; all: every policy" },
    { name = "seeds", value = "N", read = args.size, help = "seeds 1 to N (default: 5)" },
    { name = "jobs", value = "J", read = args.threads, help = "runs side by side (default: 1)" },
    { name = "grid", value = "PATH=V,V", many = true, read = values,
      help = "a row for each value: of an option of the policies, or a path of --set" },
    { name = "no-fixed", help = "leave the grid of fixed weights out" },
    { name = "tune", value = "PATH=V,V", many = true, read = values,
      help = "choose a value for each row on validation: lr=0.001,0.01" },
    { name = "tune-seeds", value = "N", read = args.size, help = "seeds to tune on (default: 1)" },
    { name = "primary", value = "WHAT", help = "primary endpoint: kpi, the mean test KPI (default), delta_m, or "
      .. "area:TASK, under the validation KPI" },
    { name = "against", value = "A,B", help = "rows that policies are compared with (default: uniform)" },
    { name = "guard", value = "TASK=X", many = true, read = args.assignment,
      help = "what a policy may cost a task of its test KPI: easy=0.01" },
    { name = "timing", help = "measure each row's speed alone, after runs that were side by side" },
    { name = "dry-run", help = "print the runs that are left, one mtl run a line, and run nothing" },
    { name = "out", value = "DIR", read = args.path, help = "folder of the comparison (default: runs/NAME-compare)" },
    open.options.set, open.options.data, open.options.device,
    { name = "threads", value = "N", read = args.threads, help = "threads of all runs together" },
    { name = "memory", value = "SIZE", read = args.bytes, help = "what each run may take, as for mtl run" },
    { name = "quiet", help = "print nothing but errors" },
    open.options.trust,
  },
  notes = [[
Rows that are always there: each task alone, uniform, a grid of fixed weights (--no-fixed leaves it out). Every row
has the same seeds; each run is a process of its own. ^C stops, the same command goes on; mtl compare DIR reads what
is there, made here or elsewhere. It writes compare.md, compare.json, compare.csv and compare.svg.]],
  run = function(options, rest, argv)
    local stat = core.stat(rest[1])
    if not (stat and stat.type == "folder") then
      local ok, message = pcall(start, rest[1], options, argv)
      wall.clean()
      if not ok then
        error(message, 0)
      end
      return
    end
    for name in pairs(options) do
      if not question[name] and name ~= "quiet" then
        error(("compare: a folder's runs are read as they are; leave --%s out"):format((name:gsub("_", "-"))), 0)
      end
    end
    local p = require "mtl.compare.plan".read(rest[1])
    p.planned = options.primary and p.primary ~= options.primary and p.primary or nil
    require "mtl.compare.question".add(p, options)
    report(p, rest[1], options.quiet)
  end,
}
