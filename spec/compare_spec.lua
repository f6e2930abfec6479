-- mtl compare, end to end: the program runs itself.
local core = require "mtl.core"
local program = dofile "spec/support/program.lua"

local folder

local function mtl(...)
  return program.run(folder, { ... })
end

local function ok(...)
  local result = mtl(...)
  assert.equal("", result.err)
  assert.equal(0, result.status)
  return result.out
end

local function wrong(arguments, ...)
  local result = program.run(folder, arguments)
  assert.equal(1, result.status, result.err)
  assert.truthy(result.err:match "^mtl: [^\n]+\n$", result.err)
  for _, text in ipairs { ... } do
    assert.truthy(result.err:find(text, 1, true), ("%q should say %q"):format(result.err, text))
  end
end

local function has(text, ...)
  for _, part in ipairs { ... } do
    assert.truthy(text:find(part, 1, true), ("%s\nshould say %q"):format(text, part))
  end
end

local function read(name)
  return program.read(folder .. "/" .. name)
end

local function result(dir)
  local r = core.json_decode(read(dir .. "/compare.json"))
  for _, row in ipairs(r.rows) do
    r.rows[row.name] = row
  end
  return r
end

local function lines(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do
    list[#list + 1] = line
  end
  return list
end

describe("mtl compare", function()
  before_each(function()
    folder = program.folder()
    program.write(folder .. "/r.lua", program.recipe())
  end)
  after_each(function()
    program.remove(folder)
  end)

  it("runs every row with every seed, and says what came of it", function()
    local out = ok("compare", "r.lua", "--policies", "focal{gamma=1,normalize=true},uncertainty", "--seeds", "3",
      "--jobs", "2", "--out", "c")
    has(out, "30 runs: 2 single tasks, uniform, 5 of fixed weights (--no-fixed leaves them out), 2 policies; "
      .. "3 seeds each\n", "left, at its speed)\n", "30/30 ", "single task",
      "fixed 0.75/0.25", "uncertainty", "Learning rate not tuned",
      "randomness of training", "c/compare.md")
    local r = result "c"
    assert.same({ 1, 2, 3 }, r.seeds)
    assert.equal(9 + 1, #r.rows) -- tuned fixed has no runs of its own
    local single, uniform, focal = r.rows["single task"], r.rows.uniform, r.rows["focal{gamma=1,normalize=true}"]
    for _, row in ipairs(r.rows) do
      assert.same({ 3, 0 }, { row.done, row.diverged })
    end
    -- fixed .5/.5 x 2 is uniform, to the bit
    assert.equal(uniform.kpi.mean, r.rows["fixed 0.5/0.5"].kpi.mean)
    assert.equal(0, r.rows["fixed 0.5/0.5"].differences[1].mean)
    assert.equal(0, single.delta_m.mean)
    -- what stands in the table is what the runs say
    local sum = 0
    for s = 1, 3 do
      local function test_of(name)
        return core.json_decode(read(("c/runs/%s-%d/summary.json"):format(name, s))).test
      end
      local f, u = test_of "focal-gamma=1,normalize=true", test_of "uniform"
      assert.is_nil(test_of("single-left").right)
      assert.equal(test_of("single-left").left.kpi, single.by_seed[s].test.left.kpi)
      assert.equal((f.left.kpi + f.right.kpi) / 2, focal.by_seed[s].kpi)
      sum = sum + (f.left.kpi + f.right.kpi) / 2 - (u.left.kpi + u.right.kpi) / 2
    end
    local difference = focal.differences[1]
    assert.equal("uniform", difference.against)
    assert.truthy(math.abs(sum / 3 - difference.mean) < 1e-12)
    assert.truthy(difference.p_holm >= difference.p)
    local said = 0 -- the end says what the verdicts say
    for name, words in pairs { better = "Better than uniform in mean test KPI: [^\n]*%s by %s",
      worse = "Worse than uniform in mean test KPI: [^\n]*%s by %s",
      no = "No difference from uniform in mean test KPI seen with 3 seeds: [^\n]*%s %%(the smallest" } do
      for _, row in ipairs { focal, r.rows.uncertainty } do
        local d = row.differences[1]
        if d.verdict:match "^%a+" == name then
          said = said + 1
          assert.matches(words:format(row.name:gsub("%p", "%%%0"), ("%.4f"):format(math.abs(d.mean))),
            out)
        end
      end
    end
    assert.equal(2, said)
    has(out, "\nReport: c/compare.md, picture: c/compare.svg\n")
    has(read "c/compare.md", "# Comparison: spec", "| uniform |", "## Against uniform: mean test KPI",
      "for the 2 comparisons of policies", "![", "left 24, right 16")
    has(read "c/compare.csv", "row,kind,seed,state,task,metric,value\n", "single task,single,1,done,left,kpi,",
      '"focal{gamma=1,normalize=true}",policy,3,done,right,kpi,')
    has(read "c/compare.svg", "<svg", "uncertainty", "</svg>")
    assert.falsy(read("c/compare.svg"):find "nan")
    -- each run is one that mtl run makes
    local run = core.json_decode(read "c/runs/single-left-2/run.json")
    assert.same({ { { "only", "left" } }, 2 }, { run.set, run.seed })
    assert.equal(1 + 2, core.json_decode(read "c/runs/single-left-2/summary.json").epochs)
    assert.equal(2, core.json_decode(read "c/runs/single-right-2/summary.json").epochs)
    -- done runs stay; more seeds and policies join them
    local before = core.stat(folder .. "/c/runs/uniform-1/summary.json").mtime
    out = ok("compare", "r.lua", "--policies", "uncertainty,focal", "--seeds", "3", "--out", "c", "--primary",
      "delta_m")
    has(out, "3/3 focal-3", "delta m (%), paired by seed")
    assert.equal(before, core.stat(folder .. "/c/runs/uniform-1/summary.json").mtime)
    assert.equal(out:match "Against uniform.*", ok("compare", "c", "--primary", "delta_m"):match "Against uniform.*")
    -- of one comparison, all runs have the same recipe and settings
    wrong({ "compare", "r.lua", "--seeds", "1", "--out", "c", "--set", "data.batch=10" },
      "other settings than this comparison's: data.batch is not set there, and 10 here; name another --out")
    program.write(folder .. "/r.lua", program.recipe { { "lr = 0.1", "lr = 0.2" } })
    wrong({ "compare", "r.lua", "--seeds", "1", "--out", "c" }, "another r.lua")
  end)

  it("leaves the grid of fixed weights out", function()
    wrong({ "compare", "r.lua", "--no-fixed", "--against", "tuned fixed" }, "--against: there is no row 'tuned fixed'")
    local out = ok("compare", "r.lua", "--policies", "pcgrad", "--seeds", "2", "--out", "n", "--no-fixed")
    has(out, "8 runs: 2 single tasks, uniform, 1 policy; 2 seeds each",
      "Nothing can be said against uniform of: pcgrad (fewer than 3 seeds: no claim).")
    assert.falsy(out:lower():find("fixed", 1, true))
    assert.equal(3, #result("n").rows)
    assert.equal(out:match "All rows.*", ok("compare", "n"):match "All rows.*")
    assert.equal(2 * 5, #lines(ok("compare", "r.lua", "--seeds", "2", "--out", "n", "--dry-run"))) -- and adds it
  end)

  it("shows metrics in their own units, of every row", function()
    program.write(folder .. "/r.lua", program.recipe { { "kpi = kpi.r2() }",
      "kpi = kpi.r2(), metrics = { mtl.metric.rmse() } }" } })
    local out = ok("compare", "r.lua", "--policies", "pcgrad", "--seeds", "2", "--out", "m")
    has(out, "right rmse (lower is better)")
    has(read "m/compare.md", "Metrics: means over seeds", "| tuned fixed |")
  end)

  it("goes on where it was stopped", function()
    program.write(folder .. "/r.lua", program.recipe { { "when.epochs(2)", "when.epochs(250)" } })
    program.write(folder .. "/stop.sh", ([[
      "%s" compare r.lua --seeds 1 --jobs 2 --out c --quiet & p=$!
      while kill -0 $p && [ ! -e c/runs/single-left-1/checkpoint.safetensors ]; do sleep 0.01; done
      kill -INT $p; wait $p]]):format(os.getenv "MTL_PROGRAM"))
    local stopped = program.run(folder, { folder .. "/stop.sh" }, nil, "/bin/sh")
    assert.same({ 130, "mtl: stopped; the same command goes on\n" }, { stopped.status, stopped.err })
    assert.is_nil(core.stat(folder .. "/c/compare.md"))
    local left = lines(ok("compare", "r.lua", "--seeds", "1", "--out", "c", "--dry-run"))
    assert.equal(8, #left)
    has(left[1], "--out c/runs/single-left-1 ", "--resume")
    assert.falsy(left[8]:find "--resume", left[8])
    has(ok("compare", "c"), "Not all runs are there yet")
    program.write(folder .. "/again.sh", table.concat(left, "\n"))
    assert.equal(0, program.run(folder, { folder .. "/again.sh" }, nil, "/bin/sh").status)
    has(ok("compare", "c"), "Fewer than 3 seeds: no interval", "1/1")
    for _, row in ipairs(result("c").rows) do
      assert.equal(1, row.done)
    end
    assert.equal("", ok("compare", "r.lua", "--seeds", "1", "--out", "c", "--dry-run"))
  end)

  it("leaves nothing at work when it is killed, and has its folder to itself", function()
    program.write(folder .. "/r.lua", program.recipe { { "when.epochs(2)", "when.epochs(100000)" } })
    program.write(folder .. "/kill.sh", ([[
      "%s" compare r.lua --seeds 1 --jobs 2 --out c --quiet & p=$!
      while [ ! -e c/runs/single-right-1/checkpoint.safetensors ]; do sleep 0.01; done
      "%s" compare r.lua --seeds 1 --out c; echo $?
      kill -KILL $p; wait $p
      for i in $(seq 3000); do # the runs that it has left end by themselves, and then the folder is free
        "%s" compare r.lua --seeds 1 --out c --dry-run > lines 2> message && break; sleep 0.02
      done
      cat message; wc -l < lines]]):gsub("%%s", (os.getenv "MTL_PROGRAM")))
    local said = program.run(folder, { folder .. "/kill.sh" }, nil, "/bin/sh")
    assert.equal("mtl: compare: 'c' is in use by another mtl compare, or by runs of one that are about to end\n",
      said.err:match "^[^\n]*\n")
    assert.equal("1\n8\n", said.out)
    has(read "lines", "--out c/runs/single-right-1 ", "--resume")
  end)

  it("compares with several rows, in the area under a task's KPI, and trains without stages", function()
    local flat = "flat:focal{normalize=true}"
    local out = ok("compare", "r.lua", "--policies", "recipe," .. flat, "--seeds", "3", "--jobs", "2", "--out", "c",
      "--primary", "area:right", "--against", "uniform," .. flat .. ",tuned fixed", "--guard", "left=0.5")
    has(out, "Against uniform: area under the validation KPI of right", "Against tuned fixed: each task's test KPI",
      "for the 3 comparisons", "left may lose 0.5", "left 24, right 24 (" .. flat .. ")", "tuned fixed: with each seed")
    local r = result "c"
    assert.same({ "area:right", { { task = "left", most = 0.5 } } }, { r.primary, r.guards })
    local recipe = r.rows.recipe
    assert.same({ "uniform", flat, "tuned fixed" },
      { recipe.differences[1].against, recipe.differences[2].against, recipe.differences[3].against })
    assert.is_nil(r.rows[flat].differences[1].p_holm) -- what policies are compared with is not tested itself
    local run = core.json_decode(read "c/runs/flat-focal-normalize=true-2/run.json")
    assert.same({ { "flat", "true" }, { "policy", "focal{normalize=true}" } }, run.set)
    -- the area by hand: no KPI of the right task in the first of three epochs
    local sum = 0
    for _, line in ipairs(lines(read "c/runs/fixed-0.1-0.9-2/metrics.jsonl")) do
      local record = core.json_decode(line)
      sum = sum + (record.kind == "valid" and record.tasks.right and record.tasks.right.kpi or 0)
    end
    assert.truthy(sum > 0)
    assert.equal(sum / 3, r.rows["fixed 0.1/0.9"].by_seed[2].area.right)
    has(read "c/compare.csv", "recipe,policy,2,done,right,area,")
    has(read "c/compare.svg", "area under the validation KPI of right")
    -- the question is the plan's, until another is asked
    assert.equal(out:match "Against uniform.*", ok("compare", "c"):match "Against uniform.*")
    has(ok("compare", "c", "--primary", "kpi", "--against", "fixed 0.5/0.5"), "planned with area:right",
      "Against fixed 0.5/0.5: mean test KPI")
  end)

  it("takes all policies that the recipe can serve, and names the others", function()
    ok("compare", "r.lua", "--policies", "all,rlw{dirichlet=true}", "--seeds", "1", "--dry-run", "--out", "c")
    local p = core.json_decode(read "c/plan.json")
    local names, refused = {}, {}
    for _, row in ipairs(p.rows) do
      names[row.name] = row.kind
    end
    for _, entry in ipairs(p.refused) do
      refused[entry.name] = entry.reason
    end
    for _, name in ipairs(require "mtl.policy".names()) do
      assert.truthy(names[name] or refused[name] or name == "fixed", name)
    end
    assert.same({ "policy", "policy", "policy" }, { names.mgda, names.focal, names["rlw{dirichlet=true}"] })
    assert.truthy(refused.custom)
    program.write(folder .. "/r.lua", program.recipe { { "loss.mse()", "loss.poisson()" } })
    ok("compare", "r.lua", "--policies", "all", "--seeds", "1", "--dry-run", "--out", "d")
    for _, entry in ipairs(core.json_decode(read "d/plan.json").refused) do
      refused[entry.name] = entry.reason
    end
    has(refused.dwa, "right", "negative")
    has(ok("compare", "d"), "Not run: dwa: ")
  end)

  it("prints lines that a shell runs", function()
    program.write(folder .. "/it's.lua", program.recipe())
    local out = lines(ok("compare", "it's.lua", "--policies", "focal{gamma=1}", "--seeds", "2", "--out", "c",
      "--dry-run"))
    assert.equal(2 * (2 + 1 + 5 + 1), #out)
    has(out[1], " run 'it'\\''s.lua' --out c/runs/single-left-1 --seed 1 --quiet", "--set only=left")
    has(out[#out], "--seed 2", "--set 'stages.2.policy=focal{gamma=1}'")
    assert.is_nil(core.stat(folder .. "/c/runs"))
    program.write(folder .. "/one.sh", out[#out])
    assert.equal(0, program.run(folder, { folder .. "/one.sh" }, nil, "/bin/sh").status)
    has(ok("compare", "c"), "Not all runs are there yet: 15 of 16")
  end)

  it("counts runs that diverged", function()
    local out = ok("compare", "r.lua", "--seeds", "3", "--jobs", "2", "--out", "c", "--policies", "focal", "--grid",
      "optimizer.lr=0.1,1e30")
    has(out, ": diverged", "3/3 diverged", "diverged 3/3: no claim", "focal optimizer.lr=1e30: 3 of 3 seeds diverged")
    local row = result("c").rows["focal optimizer.lr=1e30"]
    assert.same({ 0, 3, "diverged" }, { row.done, row.diverged, row.by_seed[1].state })
    assert.is_nil(row.kpi.mean)
    has(read "c/compare.svg", "3/3 diverged")
    -- it is not tried again
    assert.equal("", ok("compare", "r.lua", "--seeds", "3", "--out", "c", "--policies", "focal", "--grid",
      "optimizer.lr=0.1,1e30", "--dry-run"))
    has(ok("runs", "c/runs"), "diverged")
  end)

  it("tunes on seeds of its own and measures times apart", function()
    local out = ok("compare", "r.lua", "--seeds", "1", "--out", "c", "--jobs", "2", "--policies", "uncertainty",
      "--tune", "lr=1e-6,0.2", "--timing")
    has(out, "uncertainty-lr=0.2-1001", "Every row was tuned over 2 settings", "on 1 seed of its own", "samples/s")
    local r = result "c"
    assert.is_true(r.tuned)
    for _, row in ipairs(r.rows) do
      for _, unit in ipairs(row.units) do
        assert.equal("lr=0.2", unit.setting)
      end
      assert.truthy(row.samples_per_s > 0)
    end
    assert.same({ { "only", "left" }, { "optimizer.lr", "0.2" } },
      core.json_decode(read "c/runs/single-left-1/run.json").set)
  end)

  it("takes recipes without stages, of three tasks and more", function()
    local three = program.recipe {
      { "targets = { ", "targets = { third = x:select(2, 2), [\"a-b\"] = x:select(2, 3), " },
      { "  optimizer = optim.sgd { lr = 0.1 },\n", "" },
    }
    local third = '{ name = "third", head = nn.linear(8, 1), loss = loss.mse(), kpi = kpi.r2() },\n'
    three = three:gsub("  stages = {.*$", "  ends = when.steps(10),\n}\n")
    program.write(folder .. "/three.lua", (three:gsub("(    { name = \"right\")", "    " .. third .. "%1")))
    local out = ok("compare", "three.lua", "--seeds", "1", "--dry-run", "--out", "c", "--tune", "lr=0.1")
    assert.equal(3 + 1 + 10, #lines(out))
    has(out, "--set policy=uniform", "--set optimizer.lr=0.1", "'policy=fixed{left=2,third=0.5,right=0.5}'")
    program.write(folder .. "/four.lua", (three:gsub("(    { name = \"right\")", "    " .. third .. "    "
      .. third:gsub('"third"', '"a-b"') .. "%1")))
    out = ok("compare", "four.lua", "--seeds", "1", "--dry-run", "--out", "d")
    assert.equal(4 + 1 + 10, #lines(out))
    has(out, "single-a-b-1 ", "only=a-b", "['\\''a-b'\\'']=")
    program.write(folder .. "/one.sh", lines(out)[3] .. "\n" .. lines(out)[15])
    assert.equal(0, program.run(folder, { folder .. "/one.sh" }, nil, "/bin/sh").status)
  end)

  it("refuses what makes no comparison", function()
    wrong({ "compare", "r.lua", "--policies", "focl" }, "'focl'", "focal")
    wrong({ "compare", "r.lua", "--policies", "focal{gama=1}" }, "gama", "gamma")
    wrong({ "compare", "r.lua", "--policies", "gradvac{slices=layer}" }, 'layer: a text stands in quotes: "layer"')
    wrong({ "compare", "r.lua", "--against", "uniform,uniform" }, "--against names 'uniform' twice")
    wrong({ "compare", "r.lua", "--policies", "pcgrad", "--against", "uniform,pcgrad" },
      "--against uniform,pcgrad names every policy", "none to test")
    wrong({ "compare", "r.lua", "--policies", "focal,focal" }, "'focal' is asked for twice")
    wrong({ "compare", "r.lua", "--policies", "focal,,uniform" }, "empty name")
    wrong({ "compare", "r.lua", "--policies", "fixed{left=1}" }, "row 'fixed{left=1}'", "no weight for task 'right'")
    wrong({ "compare", "r.lua", "--tune", "rate=1" }, "row 'single task'", "rate")
    wrong({ "compare", "r.lua", "--tune", "lr" }, "--tune", "path=value,value")
    wrong({ "compare", "r.lua", "--grid", "gamma=1,,2" }, "--grid", "path=value,value")
    wrong({ "compare", "r.lua", "--primary", "kpis" }, "did you mean 'kpi'?")
    wrong({ "compare", "r.lua", "--primary", "area:rigth" }, "--primary: there is no task 'rigth'", "'right'")
    wrong({ "compare", "r.lua", "--against", "unifrm" }, "--against: there is no row 'unifrm'", "'uniform'")
    wrong({ "compare", "r.lua", "--guard", "lft=0.1" }, "--guard: there is no task 'lft'", "'left'")
    wrong({ "compare", "r.lua", "--guard", "left=1%" }, "--guard left=1%", "left=0.01")
    wrong({ "compare", "r.lua", "--policies", "flat:recipe" }, "there is no policy 'recipe'")
    wrong({ "compare", "r.lua", "--out", "." }, "'.' exists, and is not a comparison")
    wrong({ "compare", "." }, "'.' is not a comparison: it has no plan.json")
    wrong({ "compare", "nothing.lua" }, "nothing.lua")
    ok("compare", "r.lua", "--seeds", "1", "--dry-run", "--out", "c")
    wrong({ "compare", "c", "--seeds", "2" }, "leave --seeds out")
    program.write(folder .. "/c/plan.json", '{"format":1,"rows":3}')
    wrong({ "compare", "c" }, "c/plan.json is damaged")
    program.write(folder .. "/left.lua", program.recipe { { 'tasks = { "left", "right" }', 'tasks = { "left" }' },
      { "policy.focal { gamma = 2 }", "policy.uniform()" } })
    wrong({ "compare", "left.lua" }, "no stage of the recipe has two or more tasks")
  end)
end)

describe("flat", function()
  it("is one stage of all tasks, as long as the stages together", function()
    local recipe = require "mtl.recipe"
    local nn, loss, when, policy = require "mtl.nn", require "mtl.loss", require "mtl.when", require "mtl.policy"
    local x = core.rand(8, 2)
    local data = require "mtl.data".tensors { inputs = x, targets = { a = x:select(2, 1), b = x:select(2, 2) } }
    local function made(flat, ends, only)
      local tasks = {}
      for i, name in ipairs { "a", "b" } do
        tasks[i] = { name = name, head = nn.linear(2, 1), loss = loss.mse(), kpi = require "mtl.kpi".r2() }
      end
      return recipe.new { data = data, trunk = nn.linear(2, 2), tasks = tasks, flat = flat, only = only,
        policy = policy.gls(), stages = {
          { tasks = { "a" }, ends = when.epochs(2), freeze = "trunk" },
          { tasks = { "a", "b" }, ends = ends, policy = policy.rlw() },
        } }
    end
    local r = made(true, when.epochs(3))
    local stage = r.stages[1]
    assert.same({ 1, false, { "a", "b" }, { 1, 2 }, 3, "gls", 5, {} }, { #r.stages, r.staged, stage.tasks, stage.index,
      stage.mask, stage.policy.type, stage.ends:length(1), stage.freeze })
    assert.equal(6, made(true, when.kpi("b", 0.5) | when.epochs(4)).stages[1].ends:length(1))
    assert.equal(5, made(true, when.epochs(3), "b").stages[1].ends:length(1)) -- alone, for as long as the flat stage
    assert.equal(2, #made(false, when.epochs(3)).stages)
    assert.error_matches(function()
      made(true, when.steps(7))
    end, "flat: the stages are counted in epochs and in steps")
  end)
end)

describe("only", function()
  it("is one stage of a task alone, for the most epochs that it is trained", function()
    local recipe = require "mtl.recipe"
    local nn, loss, when = require "mtl.nn", require "mtl.loss", require "mtl.when"
    local x = core.rand(8, 2)
    local data = require "mtl.data".tensors { inputs = x, targets = { a = x:select(2, 1), b = x:select(2, 2) } }
    local function stages(only, ends, max_epochs)
      local tasks = {}
      for i, name in ipairs { "a", "b" } do
        tasks[i] = { name = name, head = nn.linear(2, 1), loss = loss.mse(), kpi = require "mtl.kpi".r2() }
      end
      return recipe.new { data = data, trunk = nn.linear(2, 2), tasks = tasks, only = only, stages = {
        { tasks = { "a" }, ends = when.epochs(2) },
        { tasks = { "a", "b" }, ends = ends, max_epochs = max_epochs },
      } }.stages
    end
    local stage = stages("a", when.epochs(3))[1]
    assert.same({ { "a" }, "uniform", 5, 1 }, { stage.tasks, stage.policy.type, stage.ends:length(1), stage.mask })
    assert.equal(4, stages("b", when.kpi("a", 0.5), 4)[1].ends:length(1))
    assert.equal(3, stages("b", when.kpi("a", 0.5) | when.epochs(3))[1].ends:length(1))
    assert.equal(7, stages("b", when.steps(7))[1].ends:length(100))
    assert.equal(1, #stages("b", when.epochs(3)))
    assert.error_matches(function()
      stages("a", when.steps(7))
    end, "counted in epochs and in steps")
    assert.error_matches(function()
      stages("b", when.steps(7) | when.epochs(1))
    end, "epochs or steps, whichever come first")
    assert.error_matches(function()
      stages("c", when.steps(7))
    end, "only: .*'c'")
  end)
end)
