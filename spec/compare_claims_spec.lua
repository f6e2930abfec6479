-- What a comparison reads from logs and says of them, on figures that are worked by hand.
local claims = require "mtl.compare.claims"
local core = require "mtl.core"
local log = require "mtl.compare.log"
local question = require "mtl.compare.question"
local stats = require "mtl.compare.stats"

local function near(expected, actual)
  assert(actual and math.abs(actual - expected) < 1e-12, ("expected %.12g, got %s"):format(expected, actual))
end

describe("the log of a run", function()
  local file
  before_each(function()
    file = os.tmpname()
    core.file_write(file, [[
{"kind":"stage","step":0,"tasks":["easy"]}
{"kind":"valid","step":10,"tasks":{"easy":{"kpi":0.8}}}
{"kind":"stage","step":10,"tasks":["easy","hard"]}
{"kind":"valid","step":20,"tasks":{"easy":{"kpi":0.9},"hard":{"kpi":0.45}}}
{"kind":"valid","step":30,"tasks":{"easy":{"kpi":0.7},"hard":{"kpi":0.6}}}
{"kind":"valid","step":40,"tasks":{"easy":{"kpi":0.6},"hard":{"kpi":null}}}
{"kind":"test","step":41,"tasks":{}}
]])
  end)
  after_each(function()
    os.remove(file)
  end)

  it("gives areas over all epochs, and the steps of each task", function()
    local said = log.read({ select = "last" }, file)
    near((0.8 + 0.9 + 0.7 + 0.6) / 4, said.area.easy)
    near((0 + 0.45 + 0.6 + 0) / 4, said.area.hard) -- not trained in the first epoch, undefined in the last
    assert.same({ easy = 41, hard = 31 }, said.steps)
    assert.same({ 0.6, { easy = 0.6 } }, { said.valid, said.kpis })
  end)

  it("gives the best epoch of the last tasks, where that one is tested", function()
    local said = log.read({ select = "valid" }, file)
    near(0.675, said.valid) -- not the .8 of the easy task alone
    assert.same({ easy = 0.9, hard = 0.45 }, said.kpis)
  end)
end)

describe("a comparison's claims", function()
  -- Rows of three seeds: areas of the hard task, validation and test KPI of the easy one.
  local function row(name, kind, areas, valid, test)
    local runs = {}
    for s, area in ipairs(areas) do
      runs[s] = { state = "done", seed = s, area = { hard = area }, kpis = { easy = valid },
        test = { easy = { kpi = 0.9 + test[s] }, hard = { kpi = 0.5 } } }
    end
    return { name = name, kind = kind, units = {}, runs = runs, done = 3, diverged = 0 }
  end

  local function made(guards, focal_test)
    local none = { 0, 0, 0 }
    local p = { tasks = { { name = "easy" }, { name = "hard" } }, seeds = { 1, 2, 3 }, rows = {
      { name = "uniform", kind = "uniform" }, { name = "A", kind = "fixed" }, { name = "B", kind = "fixed" },
      { name = "focal", kind = "policy" } } }
    question.add(p, { primary = "area:hard", against = "uniform,tuned fixed", guard = guards })
    local rows = { row("uniform", "uniform", { 0.50, 0.55, 0.55 }, 0.9, none),
      row("A", "fixed", { 0.5, 0.6, 0.4 }, 0.9, none), row("B", "fixed", { 0.45, 0.45, 0.62 }, 0.88, none),
      row("focal", "policy", { 0.55, 0.65, 0.60 }, 0.9, focal_test or none) }
    rows.uniform, rows.fixed = rows[1], rows[2]
    local r = { plan = p, endpoint = question.endpoint(p), rows = rows }
    claims.tune_fixed(r)
    claims.differences(r)
    return r
  end

  it("tune fixed weights for each seed on the others", function()
    local r = made()
    -- without seed 1: A (.6 + .4) / 2 = .5, B (.45 + .62) / 2 = .535; without 2: .45, .535; without 3: .55, .45
    assert.same({ "B", "B", "A" }, r.rows.tuned.picks)
    assert.equal("B", r.best_fixed.name) -- over all: 1.50 / 3, 1.52 / 3
    assert.same({ 0.45, 0.45, 0.4 }, { r.rows.tuned.runs[1].area.hard, r.rows.tuned.runs[2].area.hard,
      r.rows.tuned.runs[3].area.hard })
    assert.equal(r.rows.tuned, r.rows[4]) -- after the grid
    -- B costs the easy task .02 of its validation KPI
    r = made { { "easy", "0.01" } }
    assert.same({ "A", "A", "A", "A" }, { r.best_fixed.name, table.unpack(r.rows.tuned.picks) })
  end)

  it("are paired with every reference, with one correction over all", function()
    local r = made()
    local focal, tuned = r.rows[5], r.rows.tuned
    local u, t = table.unpack(focal.differences)
    assert.same({ r.rows.uniform, tuned }, { u.against, t.against })
    near(0.2 / 3, u.mean) -- .05, .10, .05
    near((0.1 + 0.2 + 0.2) / 3, t.mean)
    assert.equal(2, r.tested)
    local adjusted = stats.holm { u.p, t.p }
    assert.same(adjusted, { u.p_holm, t.p_holm })
    near(stats.detectable(u.sd, 3, 2, 0.05), u.detectable)
    assert.equal("better", t.p_holm < 0.05 and t.verdict or "better")
    assert.falsy(tuned.differences[1].tested)
    assert.falsy(r.rows.uniform.differences[1])
    assert.equal("the best of the grid on validation", r.rows[3].differences[1].verdict)
  end)

  it("say whether a guarded task has held", function()
    local function said(...)
      local r = made({ { "easy", "0.01" } }, { ... })
      return r.rows[5].differences[1].verdict:match "; (.*)$"
    end
    assert.equal("easy held", said(-0.001, -0.002, -0.003)) -- mean -.002, half 4.3027 x .001 / sqrt 3 = .0025
    assert.equal("easy has lost more than 0.01", said(-0.05, -0.051, -0.052))
    assert.equal("easy may have lost more than 0.01", said(-0.001, -0.02, -0.009))
  end)
end)
