--- What the runs of a comparison say to its question: fixed weights that are tuned, paired differences, verdicts.
local gather = require "mtl.compare.gather"
local question = require "mtl.compare.question"
local stats = require "mtl.compare.stats"

local claims = { ALPHA = 0.05 }

-- The mean over the seeds but one of what get(run, run of uniform) says; nil where one has nothing to say.
local function mean_but(r, row, but, get)
  local sum, n = 0, 0
  for s, run in ipairs(row.runs) do
    if s ~= but then
      local other = r.rows.uniform.runs[s]
      local x = run.test and other.test and get(run, other)
      if not x then
        return nil
      end
      sum, n = sum + x, n + 1
    end
  end
  return n > 0 and sum / n or nil
end

-- On validation a row loses no more of a guarded task against uniform than the guard says.
local function keeps_guards(r, row, but)
  for _, guard in ipairs(r.plan.guards) do
    local gain = mean_but(r, row, but, function(run, other)
      local x, y = run.kpis[guard.task], other.kpis[guard.task]
      return x and y and x - y
    end)
    if not gain or gain < -guard.most then
      return false
    end
  end
  return true
end

-- The row of the grid that is best on validation, over all seeds or all but one.
local function best_fixed(r, but)
  local best, best_score
  for _, row in ipairs(r.rows) do
    local score = row.kind == "fixed" and mean_but(r, row, but, r.endpoint.on_valid)
    if score and keeps_guards(r, row, but) and (not best or score > best_score) then
      best, best_score = row, score
    end
  end
  return best
end

--- Marks the best fixed weights, and adds the row of those that are tuned: with each seed the weights that are best on
-- validation over all other seeds, so that no run has a say in its own choice.
function claims.tune_fixed(r)
  r.best_fixed = best_fixed(r)
  if #r.plan.seeds < 2 or not r.rows.fixed then
    return
  end
  local row = { name = question.TUNED, kind = "tuned", units = {}, chosen = {}, runs = {}, picks = {}, done = 0,
    diverged = 0 }
  for s, seed in ipairs(r.plan.seeds) do
    local pick = best_fixed(r, s)
    local run = pick and pick.runs[s] or { state = "missing", seed = seed }
    row.runs[s], row.picks[s] = run, pick and pick.name or false
    row.done = row.done + (run.state == "done" and 1 or 0)
    row.diverged = row.diverged + (run.state == "diverged" and 1 or 0)
  end
  local last = 0
  for i, other in ipairs(r.rows) do
    last = other.kind == "fixed" and i or last
  end
  table.insert(r.rows, last + 1, row)
  r.rows.tuned = row
end

-- Differences of a row from another by seed, in what get(run) says: { by_seed, n, mean, sd, half, t, p }.
local function paired(row, other, get)
  local by_seed = {}
  for s, run in ipairs(row.runs) do
    local x = run.test and get(run)
    local y = other.runs[s].test and get(other.runs[s])
    by_seed[#by_seed + 1] = x and y and x - y or nil
  end
  local d = stats.paired(by_seed, claims.ALPHA)
  d.by_seed = by_seed
  return d
end

local function difference(r, row, other)
  local d = paired(row, other, r.endpoint.of)
  d.against, d.tasks = other, {}
  for t, task in ipairs(r.plan.tasks) do
    d.tasks[t] = paired(row, other, function(run)
      return gather.value(run.test, { task = task.name })
    end)
    d.tasks[task.name] = d.tasks[t]
  end
  return d
end

-- What the guards say of a difference: a task has held where its whole interval lies above what it may lose.
local function guarded(r, d)
  local said = ""
  for _, guard in ipairs(r.plan.guards) do
    local x = d.tasks[guard.task]
    if x.half then
      said = ("%s; %s %s"):format(said, guard.task, x.mean - x.half >= -guard.most and "held"
        or ("%s lost more than %g"):format(x.mean + x.half < -guard.most and "has" or "may have", guard.most))
    end
  end
  return said
end

local function verdict(r, row, d)
  if row.diverged > 0 then
    return ("diverged %d/%d: no claim"):format(row.diverged, #row.runs)
  elseif d.against.diverged > 0 then
    return ("%s diverged %d/%d: no claim"):format(d.against.name, d.against.diverged, #row.runs)
  elseif d.n == 0 then
    return "no runs to compare yet"
  elseif not d.p then
    return "fewer than 3 seeds: no claim"
  elseif d.p_holm >= claims.ALPHA then
    return ("no difference detected (could see >= %s)"):format(r.endpoint.format:format(d.detectable))
  end
  return (d.mean > 0) == r.endpoint.higher and "better" or "worse"
end

--- Paired differences of every row from each of those that it is compared against: row.differences, by place in
-- plan.against (false: the row itself). Policies are tested, with one correction over all their comparisons.
function claims.differences(r)
  local by_name, reference, tested = {}, {}, {}
  for _, row in ipairs(r.rows) do
    by_name[row.name], row.differences = row, {}
  end
  for _, name in ipairs(r.plan.against) do
    reference[name] = true
  end
  for a, name in ipairs(r.plan.against) do
    for _, row in ipairs(r.rows) do
      local other = by_name[name]
      local d = other and row ~= other and difference(r, row, other)
      row.differences[a] = d or false
      if d then
        d.tested = row.kind == "policy" and not reference[row.name]
        if d.tested and d.p and row.diverged == 0 and other.diverged == 0 then
          tested[#tested + 1] = d
        end
      end
    end
  end
  local ps = {}
  for i, d in ipairs(tested) do
    ps[i] = d.p
  end
  for i, p in ipairs(stats.holm(ps)) do
    tested[i].p_holm, tested[i].detectable = p, stats.detectable(tested[i].sd, tested[i].n, #tested, claims.ALPHA)
  end
  r.tested = #tested
  for _, row in ipairs(r.rows) do
    for _, d in ipairs(row.differences) do
      if d then
        d.verdict = (d.tested and verdict(r, row, d) or row == r.best_fixed and "the best of the grid on validation"
          or "") .. (row.kind ~= "single" and guarded(r, d) or "")
        d.verdict = d.verdict:gsub("^; ", "")
      end
    end
  end
end

return claims
