--- Runs of a comparison as processes of their own, some of them side by side. A run with a summary is done, one that
-- diverged is too; any other is gone on with. Where one fails, or a signal comes, all are asked to stop; each saves a
-- checkpoint.
local core = require "mtl.core"
local failure = require "mtl.failure"
local path = require "mtl.path"
local text = require "mtl.cli.text"
local sorted = require "mtl.sorted"

local run = {}

--- The words of `mtl run` for a run.
-- @param c { program =, recipe =, dir =, data =, device =, memory =, trust =, threads = }
-- @param more words of a timing run
function run.words(c, r, more)
  local words = { c.program, "run", c.recipe, "--out", path.join(path.join(c.dir, more and "timing" or "runs"), r.id),
    "--seed", tostring(r.seed), "--quiet" }
  local function add(...)
    table.move({ ... }, 1, select("#", ...), #words + 1, words)
  end
  if c.threads then
    add("--threads", tostring(c.threads))
  end
  for _, name in ipairs { "data", "device", "memory" } do
    if c[name] then
      add("--" .. name, tostring(c[name]))
    end
  end
  if c.trust then
    add "--trust"
  end
  for _, entry in ipairs(r.set) do
    add("--set", entry[1] .. "=" .. entry[2])
  end
  add(table.unpack(more or {}))
  if core.stat(words[5]) then
    add "--resume"
  end
  return words
end

--- Words as one line that a shell reads.
function run.line(words)
  local quoted = {}
  for i, word in ipairs(words) do
    quoted[i] = word:find "^[%w_%-%./=,:+]+$" and word or "'" .. word:gsub("'", [['\'']]) .. "'"
  end
  return table.concat(quoted, " ")
end

local function last_line(file)
  local f <close> = io.open(file, "rb")
  local last
  for line in (f and f:read "a" or ""):gmatch "[^\n]+" do
    last = line
  end
  return last
end

-- Ends all that run: a checkpoint each, then they stop.
local function stop(running)
  for pid in pairs(running) do
    core.terminate(pid)
  end
  while next(running) do
    local pid = core.wait_any(60)
    if pid then
      running[pid] = nil
    end
  end
end

local function start(c, job)
  core.mkdir(path.join(c.dir, "logs"))
  job.log = path.join(path.join(c.dir, "logs"), job.id .. ".txt")
  return core.spawn(job.words, job.log)
end

-- After a child has ended. Diverged is a result; everything else but 0 ends the comparison.
local function ended(job, status)
  local message = last_line(job.log)
  if not message then
    core.remove(job.log)
  end
  if status == 0 then
    return "done"
  elseif status == 2 and message and message:find("mtl: training diverged", 1, true) then
    return "diverged"
  end
  message = (message or "it said nothing"):gsub("^mtl: ", "")
  if status == 1 then
    failure.raise(1, "run '%s': %s", job.id, message)
  end
  failure.raise(2, "run '%s' ended with status %d: %s; the same command goes on", job.id, status, message)
end

--- Makes jobs { id =, words = }, at most c.jobs at a time; c.progress(job, state, running) is told of each start and
-- end, and c.progress() now and then.
function run.all(c, jobs)
  local running, n, next_job = {}, 0, 1
  local function step()
    local signal = core.interrupted()
    if signal then
      failure.raise(signal == 15 and 143 or 130, "stopped; the same command goes on")
    end
    while n < c.jobs and jobs[next_job] do
      local job = jobs[next_job]
      running[start(c, job)] = job
      c.progress(job, "begun")
      n, next_job = n + 1, next_job + 1
    end
    local pid, status = core.wait_any(0.2)
    local job = running[pid or 0]
    if job then
      running[pid], n = nil, n - 1
      if not core.interrupted() then
        c.progress(job, ended(job, status))
      end
    end
    c.progress()
  end
  local ok, message = pcall(function()
    while n > 0 or jobs[next_job] do
      step()
    end
  end)
  if not ok then
    stop(running)
    error(message, 0)
  end
end

--- A line that says where the whole stands, with a bar on a terminal and a line for each run elsewhere.
function run.progress(total, quiet)
  local screen = not quiet and core.isatty(1) and os.getenv "TERM" ~= "dumb"
    and require "mtl.cli.screen".new(io.stdout) or nil
  local done, running, began, drawn = 0, {}, core.clock(), nil
  local function left() -- at the speed so far
    return text.duration((core.clock() - began) / done * (total - done))
  end
  local function draw()
    screen:draw { ("%s  %d/%d runs %s"):format(text.bar(done / total, 30, text.utf8() and "line" or "ascii"), done,
      total, done > 0 and (" %s left"):format(left()) or ""), "  " .. table.concat(sorted(running), "  ") }
    drawn = core.clock()
  end
  return function(job, state)
    if job and state == "begun" then
      running[job.id] = true
    elseif job then
      running[job.id], done = nil, done + 1
      if not quiet and not screen then
        text.say(("%d/%d %s%s%s"):format(done, total, job.id, state == "diverged" and ": diverged" or "",
          done == 1 and total > 1 and ("  (about %s left, at its speed)"):format(left()) or ""))
        io.stdout:flush()
      end
    end
    if screen and (job or not drawn or core.clock() - drawn > 1) then
      draw()
    end
  end, function()
    if screen then
      screen:close()
    end
  end
end

return run
