--- mtl verify F.mtl: are its results what its recipe gives? Retrains it with the packed seeds, each run a process of
-- its own, and looks whether every packed mean lies within the interval of the new runs.
local args = require "mtl.cli.args"
local core = require "mtl.core"
local open = require "mtl.cli.open"
local path = require "mtl.path"
local results = require "mtl.bundle.results"
local runs = require "mtl.compare.run"
local text = require "mtl.cli.text"

-- Trains what is not there yet. @return the runs, by seed
local function train(b, c, claim)
  local jobs, code, diverged = {}, b:code(), {}
  local function folder_of(seed)
    return path.join(path.join(c.dir, "runs"), "seed-" .. seed)
  end
  for _, run in ipairs(claim.runs) do
    local dir = folder_of(run.seed)
    local there = core.stat(path.join(dir, "run.json"))
    local other = there and results.other(dir, code)
    if other then
      error(("verify: '%s': %s; name another --out"):format(dir, other), 0)
    elseif not there or not results.of(dir) then
      local id = "seed-" .. run.seed
      jobs[#jobs + 1] = { id = id, words = runs.words(c, { id = id, seed = run.seed, set = {} }) }
    end
  end
  local progress, close = runs.progress(#jobs, c.quiet)
  c.progress = function(job, state)
    diverged[#diverged + 1] = state == "diverged" and job.id or nil
    progress(job, state)
  end
  local ok, message = pcall(runs.all, c, jobs)
  close()
  if not ok then
    error(message, 0)
  elseif #diverged > 0 then
    error(("%s: not verified: %s diverged"):format(b.path, table.concat(diverged, ", ")), 0)
  end
  local list = {}
  for i, run in ipairs(claim.runs) do
    local new, why = results.of(folder_of(run.seed))
    list[i] = new or error(("verify: '%s': %s"):format(folder_of(run.seed), why), 0)
  end
  return list
end

local function say(list, n)
  local rows, outside = { { "task", "figure", "packed mean", ("mean of %d new runs"):format(n), "95 %", "" } }, {}
  for i, f in ipairs(list) do
    rows[i + 1] = { f.task, f.name, text.number(f.packed, "%.6g"), text.number(f.mean, "%.6g"),
      f.half and "± " .. text.number(f.half, "%.3g") or "-", f.within and "within" or "OUTSIDE" }
    outside[#outside + 1] = not f.within and f.task .. " " .. f.name or nil
  end
  return text.table(rows, { [3] = true, [4] = true }), outside
end

local function same(a, b)
  for i, run in ipairs(a) do
    if core.json_encode(run.test) ~= core.json_encode(b[i].test) then
      return false
    end
  end
  return true
end

return {
  name = "verify",
  summary = "retrain a bundle with its seeds: are its results what it gives?",
  usage = { "mtl verify F.mtl [OPTIONS]" },
  arguments = { "F.mtl" },
  options = {
    { name = "jobs", value = "J", read = args.threads, help = "runs side by side (default: 1)" },
    { name = "out", short = "o", value = "DIR", read = args.path,
      help = "folder of the runs (default: runs/NAME-verify); those that are there stay" },
    open.options.data, open.options.device,
    { name = "threads", value = "N", read = args.threads, help = "threads of all runs together" },
    { name = "quiet", help = "print nothing but errors" },
    open.options.memory, open.options.signature, open.options.trust,
  },
  notes = [[
A figure is verified where its packed mean lies within the 95 % interval (Student's t) of the mean over the new runs.
Exit status 0: all are; 1: some are not. ^C stops, the same command goes on.]],
  run = function(options, rest, argv)
    options.data = open.data_folder(options.data)
    local b = open.bundle(rest[1], options) or error(("'%s' is no bundle"):format(rest[1]), 0)
    local claim = b.manifest.results
    if not claim then
      error(("%s: it claims no results, so there is nothing to verify"):format(b.path), 0)
    elseif #claim.runs < results.LEAST then
      error(("%s: it has results of %d seed%s, and an interval takes at least %d"):format(b.path, #claim.runs,
        #claim.runs == 1 and "" or "s", results.LEAST), 0)
    end
    b:check_data(options.data)
    local jobs = options.jobs or 1
    local c = { program = argv[0] or "mtl", recipe = rest[1], dir = options.out
      or path.join("runs", b.manifest.name .. "-verify"), data = options.data, device = options.device,
      trust = options.trust, memory = options.memory, jobs = jobs,
      threads = math.max(1, (options.threads or core.cores()) // jobs), quiet = options.quiet }
    open.confine(options, { c.dir }, true) -- its runs are programs, each behind a wall of its own
    core.mkdir(c.dir)
    if not core.lock(c.dir) then
      error(("verify: '%s' is in use by another mtl verify, or by runs of one that are about to end"):format(c.dir), 0)
    end
    core.catch_signals()
    local new = train(b, c, claim)
    local table_of, outside = say(results.compare(claim.figures, results.figures(new)), #new)
    if not options.quiet then
      text.say(table.concat(table_of, "\n"))
    end
    if #outside > 0 then
      error(("%s: not verified: %d of %d packed means lie outside of the new intervals: %s"):format(b.path, #outside,
        #claim.figures, table.concat(outside, ", ")), 0)
    elseif not options.quiet then
      text.say(("Verified: every packed mean lies within its new interval%s."):format(same(claim.runs, new)
        and ", and every figure of every seed is the same" or ""))
    end
  end,
}
