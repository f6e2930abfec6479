local core = require "mtl.core"
local args = require "mtl.cli.args"
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

-- One line on stderr that holds all of the texts, status 1, nothing on stdout.
local function wrong(arguments, ...)
  local result = program.run(folder, arguments)
  assert.equal(1, result.status, result.err)
  assert.equal("", result.out)
  assert.truthy(result.err:match "^mtl: [^\n]+\n$", result.err)
  for _, text in ipairs { ... } do
    assert.truthy(result.err:find(text, 1, true), ("%q should say %q"):format(result.err, text))
  end
end

local function write(name, text)
  program.write(folder .. "/" .. name, text)
end

local function has(text, ...)
  for _, part in ipairs { ... } do
    assert.truthy(text:find(part, 1, true), ("%s\nshould say %q"):format(text, part))
  end
end

describe("arguments", function()
  local command = {
    name = "go", usage = { "mtl go WHAT" }, arguments = { "WHAT", "WHERE", least = 1 },
    options = {
      { name = "seed", value = "N", read = args.count },
      { name = "set", value = "P=V", many = true, read = args.assignment },
      { name = "quiet" }, { name = "max-steps", value = "N", read = args.size },
      { name = "resume", value = "RUN", optional = true }, { name = "out", value = "DIR", read = args.path },
      { name = "split", value = "S", read = args.choice("train", "valid", "test") },
      { name = "device", value = "D", read = args.device },
    },
  }

  local function parse(...)
    return args.parse(command, { ... })
  end

  local function refuses(message, ...)
    local arguments = { ... }
    assert.error(function()
      args.parse(command, arguments)
    end, message)
  end

  it("are read in any order, with = or without", function()
    local options, rest = parse("--seed", "3", "a", "--max-steps=7", "--set", "x.1=2", "--quiet", "--set=y=a=b", "b")
    assert.same({ seed = 3, max_steps = 7, quiet = true, set = { { "x.1", "2" }, { "y", "a=b" } } }, options)
    assert.same({ "a", "b" }, rest)
    assert.same({ resume = true }, (parse("--resume", "a")))
    assert.same({ resume = "r" }, (parse("--resume=r", "a")))
    assert.same({ seed = 2 }, (parse("--seed", "1", "a", "--seed", "2")))
    assert.same({ { "set" , "" } }, parse("a", "--set", "set=").set)
  end)

  it("end their options at --", function()
    local options, rest = parse("--quiet", "--", "--seed", "-")
    assert.same({ quiet = true }, options)
    assert.same({ "--seed", "-" }, rest)
  end)

  it("ask for help before anything is checked", function()
    assert.same({ help = true }, (parse("--help")))
    assert.same({ help = true }, (parse("-h", "--nonsense")))
  end)

  it("are checked", function()
    refuses("go: unknown option '--sede'; did you mean '--seed'?", "a", "--sede", "3")
    refuses("go: unknown option '--zzzzzz'; 'mtl help go' lists them", "a", "--zzzzzz")
    refuses("go: unknown option '-s'; options are words: --seed", "a", "-s")
    refuses("go: --seed needs a value: --seed N", "a", "--seed")
    refuses("go: --seed needs a value: --seed N", "a", "--seed", "--quiet")
    refuses("go: --quiet takes no value, and was given 'yes'", "a", "--quiet=yes")
    refuses("go: --seed is '1.5', which should be a whole number of at least 0", "a", "--seed", "1.5")
    refuses("go: --seed is '-1', which should be a whole number of at least 0", "a", "--seed", "-1")
    refuses("go: --seed is '99999999999999999999', which should be a whole number of at least 0", "a", "--seed",
      "99999999999999999999")
    refuses("go: --seed is '0x10', which should be a whole number of at least 0", "a", "--seed", "0x10")
    refuses("go: --max-steps is '0', which should be a whole number of at least 1", "a", "--max-steps", "0")
    refuses("go: --out is '', which should be a path", "a", "--out=")
    refuses("go: --set is 'x', which should be path=value, as in stages.2.policy.gamma=1", "a", "--set", "x")
    refuses("go: --split is 'tests', which should be one of train, valid, test; did you mean 'test'?", "a", "--split",
      "tests")
    refuses("go: --device is 'gpu', which should be cpu, opencl or opencl:N, as mtl devices lists them", "a",
      "--device", "gpu")
    refuses("go: WHAT is missing; usage: mtl go WHAT")
    refuses("go: 'c' is one argument too many; usage: mtl go WHAT", "a", "b", "c")
  end)
end)

describe("mtl", function()
  before_each(function()
    folder = program.folder()
  end)
  after_each(function()
    program.remove(folder)
  end)

  describe("help", function()
    it("lists the commands, however it is asked for", function()
      local all = ok("help")
      for _, name in ipairs { "run", "check", "eval", "compare", "runs", "lua", "version", "help" } do
        assert.truthy(all:find("\n  " .. name .. " ", 1, true))
        has(ok("help", name), "mtl " .. name .. ": ", "usage: mtl " .. name, "--help")
        assert.equal(ok("help", name), ok(name, "--help"))
      end
      assert.equal(all, ok())
      assert.equal(all, ok("--help"))
      assert.equal(all, ok("-h"))
    end)

    it("knows every option of run", function()
      has(ok("help", "run"), "--set PATH=VALUE", "--seed N", "--device DEVICE", "--threads N", "--data DIR",
        "--out DIR", "--max-steps N", "--resume[=RUN]", "--quiet", "--trust")
    end)

    it("offers the nearest command", function()
      wrong({ "rnu" }, "'rnu'", "'mtl run'")
      wrong({ "help", "evla" }, "'evla'", "'mtl eval'")
      wrong({ "xyzzyx" }, "'xyzzyx'", "'mtl help' lists them")
    end)
  end)

  it("version: what it is made of, fast", function()
    local start = core.clock()
    has(ok("version"), "mtl  ", core.VERSION, "Lua  ", "5.4", "OpenBLAS", "instructions", core.isa(), "threads",
      "devices", "cpu")
    assert.truthy(core.clock() - start < 1) -- a loaded machine is slower than the 50 ms that it takes
    assert.equal(ok("version"), ok("--version"))
  end)

  it("devices: the CPU, and what OpenCL offers or why it does not", function()
    local list, missing = core.devices()
    local said = ok "devices"
    has(said, "device", "memory", "cpu", core.isa())
    has(said, missing or "opencl:1")
    for _, d in ipairs(list) do
      has(said, d.name, d.platform, d.driver)
    end
    wrong({ "run", "nowhere.lua", "--device", "gpu" }, "--device", "'gpu'", "opencl:N")
    wrong({ "run", os.getenv "MTL_HOME" .. "/recipes/toy.lua", "--device", ("opencl:%d"):format(#list + 1) },
      missing and "no OpenCL" or ("opencl:%d: this machine has"):format(#list + 1))
  end)

  it("refuses numbers that are none, before anything is read", function()
    wrong({ "run", "nowhere.lua", "--seed", "1.5" }, "--seed", "1.5", "whole number")
    wrong({ "run", "nowhere.lua", "--threads", "0" }, "--threads", "0", "at least 1")
    wrong({ "run", "nowhere.lua", "--max-steps", "-1" }, "--max-steps", "-1", "at least 1")
    wrong({ "run" }, "RECIPE is missing")
    wrong({ "run", "--resume" }, "mtl run --resume RUN")
  end)

  describe("run", function()
    before_each(function()
      write("recipe.lua", program.recipe())
    end)

    it("trains, one line an epoch, then the test and the folder", function()
      local out = ok("run", "recipe.lua", "--out", "one")
      local _, epochs = out:gsub("\nepoch %d/3  [^\n]*left: loss %d%.%d+ KPI %d%.%d+", "")
      assert.equal(3, epochs)
      has(out, "spec: ", "seed 1", "\ntest ", "\nleft ", "accuracy", folder .. "/one\n")
      for _, name in ipairs { "run.json", "metrics.jsonl", "checkpoint.safetensors", "summary.json",
        "recipe/recipe.lua" } do
        assert.truthy(core.stat(folder .. "/one/" .. name), name)
      end
      assert.falsy(out:find "\27")
    end)

    it("--quiet prints nothing", function()
      assert.equal("", ok("run", "recipe.lua", "--out", "one", "--quiet"))
    end)

    it("names its folder itself", function()
      ok("run", "recipe.lua", "--seed", "7", "--quiet")
      local names = core.listdir(folder .. "/runs")
      assert.equal(1, #names)
      assert.truthy(names[1]:match "^spec%-%d%d%d%d%d%d%d%d%-%d%d%d%d%d%d%-7$", names[1])
    end)

    it("stops at --max-steps and goes on with --resume to the same bits", function()
      ok("run", "recipe.lua", "--out", "whole", "--quiet")
      ok("run", "recipe.lua", "--out", "cut", "--quiet", "--max-steps", "11")
      ok("run", "--resume", "cut", "--quiet")
      ok("run", "recipe.lua", "--out", "again", "--quiet", "--max-steps", "11")
      ok("run", "recipe.lua", "--out", "again", "--resume", "--quiet", "--threads", "2")
      local function parameters(run)
        local file, list = core.safetensors_read(folder .. "/" .. run .. "/checkpoint.safetensors"), {}
        for i, name in ipairs(file:names()) do
          list[i] = name .. file:tensor(name):bytes()
        end
        return table.concat(list)
      end
      assert.truthy(parameters "whole" == parameters "cut")
      assert.truthy(parameters "whole" == parameters "again")
    end)

    it("goes on with the run's own seed and settings", function()
      ok("run", "recipe.lua", "--out", "one", "--quiet", "--seed", "5", "--set", "stages.2.policy.gamma=1",
        "--max-steps", "3")
      ok("run", "--resume=one", "--quiet")
      assert.equal(5, core.json_decode(program.read(folder .. "/one/summary.json")).seed)
      wrong({ "run", "--resume", "one", "--seed", "6" }, "seed 5")
      wrong({ "run", "--resume", "one", "--set", "stages.2.policy.gamma=2" }, "--set")
      wrong({ "run", "--resume", "one", "--out", "two" }, "--out")
      wrong({ "run", "recipe.lua", "--resume" }, "--out RUN --resume")
      wrong({ "run", "one" }, "'one' is a run")
    end)

    it("goes on with its own recipe and its own data only", function()
      write("rows.csv", "x,left\n" .. ("1,0\n2,1\n"):rep(40))
      write("table.lua", [[
local mtl = require "mtl"
return mtl.recipe {
  data = mtl.data.csv { path = "rows.csv", inputs = { "x" }, targets = { left = { column = "left", classes = true } } },
  trunk = mtl.nn.linear(1, 4),
  tasks = { { name = "left", head = mtl.nn.linear(4, 2), loss = mtl.loss.cross_entropy() } },
  ends = mtl.when.epochs(3),
}
]])
      ok("run", "table.lua", "--out", "one", "--quiet", "--max-steps", "1")
      write("rows.csv", "x,left\n" .. ("1,0\n2,1\n"):rep(30))
      wrong({ "run", "--resume", "one" }, "the data have changed", "'train' had 64 rows, and now has 48")
      wrong({ "eval", "one" }, "the data have changed")
      write("table.lua", program.read(folder .. "/table.lua") .. "-- changed\n")
      wrong({ "run", "table.lua", "--out", "one", "--resume" }, "'one' was started with another table.lua")
    end)

    it("begins where --resume finds nothing yet", function()
      ok("run", "recipe.lua", "--out", "new", "--resume", "--quiet")
      assert.truthy(core.stat(folder .. "/new/summary.json"))
    end)

    it("takes --set, --seed and --data", function()
      core.mkdir(folder .. "/files")
      ok("run", "recipe.lua", "--out", "one", "--quiet", "--set", "data.batch=40", "--set",
        "tasks.left.loss.smoothing=0.1", "--seed", "9", "--data", "files", "--threads", "1", "--device", "cpu")
      local info = core.json_decode(program.read(folder .. "/one/run.json"))
      assert.equal(9, info.seed)
      assert.same({ { "data.batch", "40" }, { "tasks.left.loss.smoothing", "0.1" } }, info.set)
      assert.equal(core.realpath(folder .. "/files"), info.data.dir)
      assert.equal(40, info.data.batch)
    end)

    it("confines recipes unless they are trusted", function()
      write("open.lua", 'local f = io.open("recipe.lua")\nassert(f):close()\n' .. program.recipe())
      wrong({ "run", "open.lua", "--out", "one" }, "open.lua:1", "io.open", "--trust")
      ok("run", "open.lua", "--out", "one", "--trust", "--quiet")
    end)
  end)

  it("check: layers, parameters, tasks and stages, and no run", function()
    write("recipe.lua", program.recipe())
    local out = ok("check", "recipe.lua")
    has(out, "trunk.0      linear  8               40  all",
      "heads.left   linear  2               18  left",
      "parameters  67", "shared    40", "left      18", "right      9", "train 160", "left (2 classes)",
      "cross_entropy", "focal", "epochs(2)", "sgd(lr = 0.1)", "Nothing is wrong.")
    assert.same({ "recipe.lua" }, core.listdir(folder))
    has(ok("check", "recipe.lua", "--set", "stages.2.policy.gamma=1"), "focal(gamma = 1)")
    write("recipe.lua", program.recipe { { "  stages = {", "  clip = 0.5, stages = {" },
      { "when.epochs(1)", '(when.kpi("left", 0.9) | when.steps(7)) & when.epochs(1)' },
      { "gamma = 2", "gamma = { left = 1, right = 3 }" },
      { "when.epochs(2)", 'when.kpi("left", 0.9) | when.epochs(2), freeze = "trunk"' } })
    has(ok("check", "recipe.lua"), "(kpi('left', 0.9) | steps(7)) & epochs(1)", "kpi('left', 0.9) | epochs(2)  ",
      "  trunk\n", "gamma = { left = 1, right = 3 }", "freeze", "clip        0.5")
    write("recipe.lua", program.recipe { { "nn.linear(8, 2)", "nn.linear(8, 3)" } })
    wrong({ "check", "recipe.lua" }, "left", "3", "2")
  end)

  it("eval and runs: what a run has learned", function()
    write("recipe.lua", program.recipe())
    has(ok("runs"), "no runs here yet")
    ok("run", "recipe.lua", "--out", "runs/one", "--quiet")
    ok("run", "recipe.lua", "--out", "runs/two", "--quiet", "--seed", "2", "--max-steps", "9")
    core.remove(folder .. "/runs/two/summary.json")
    core.mkdir(folder .. "/runs/three")
    write("runs/three/run.json", "{")
    local summary = core.json_decode(program.read(folder .. "/runs/one/summary.json"))
    local evaluated = core.json_decode(ok("eval", "runs/one", "--json"))
    assert.same(summary.test, evaluated.tasks)
    assert.equal("test", evaluated.split)
    has(ok("eval", "runs/one"), "test ", "left ", ("%.4f  accuracy"):format(summary.test.left.kpi))
    assert.equal("valid", core.json_decode(ok("eval", "runs/one", "--split", "valid", "--json")).split)
    wrong({ "eval", "runs/one", "--split", "tset" }, "tset", "test")
    local out = ok("runs")
    local finished = ("\none%%s+spec%%s+focal%%s+1%%s+finished%%s+3%%s+left %.4f  right"):format(summary.test.left.kpi)
    assert.truthy(out:match(finished), out)
    assert.truthy(out:match "\ntwo%s+spec%s+focal%s+2%s+step %d+%s", out)
    assert.truthy(out:match "\nthree%s+%-%s+%-%s+%-%s+damaged", out)
    assert.truthy(ok("runs", "runs/one/"):match "\none%s+spec")
    wrong({ "runs", "nowhere" }, "nowhere")
    wrong({ "eval", "nowhere" }, "'nowhere': no such folder; mtl runs lists runs")
    wrong({ "run", "--resume", "nowhere" }, "'nowhere': no such folder; mtl runs lists runs")
    ok("run", "recipe.lua", "--out", "runs/cut", "--quiet", "--max-steps", "9")
    has(ok("runs", "runs/cut"), "stopped after 9 steps by --max-steps")
    has(ok("run", "recipe.lua", "--out", "runs/short", "--max-steps", "1"), "\n1 step, 1 epoch in")
    has(ok("run", "--resume", "runs/cut", "--max-steps", "14"), "14 steps, 2 epochs in", "; stopped by --max-steps")
    has(ok("runs", "runs/cut"), "stopped after 14 steps by --max-steps") -- not by the number that it was started with
    ok("run", "--resume", "runs/cut", "--quiet")
    has(ok("runs", "runs/cut"), "finished")
    ok("run", "recipe.lua", "--out", "runs/whole", "--quiet", "--max-steps", "24") -- as many as there are
    has(ok("runs", "runs/whole"), "finished")
  end)

  it("runs says with what policy and settings each run was made", function()
    write("recipe.lua", program.recipe())
    ok("run", "recipe.lua", "--out", "runs/one", "--quiet")
    ok("run", "recipe.lua", "--out", "runs/two", "--quiet", "--set", "stages.2.policy=pcgrad", "--set",
      "optimizer.lr=0.01")
    local out = ok "runs"
    assert.matches("\none%s+spec%s+focal%s+1%s+finished%s[^\n]-%d%d:%d%d\n", out)
    assert.matches("\ntwo%s+spec%s+pcgrad%s+1%s+finished%s[^\n]-%d%d:%d%d  "
      .. "stages.2.policy=pcgrad  optimizer.lr=0.01\n", out)
  end)

  it("run says which epoch it kept, and what its lines are of", function()
    write("recipe.lua", program.recipe { { "  stages = {", "  select = \"valid\",\n  stages = {" } })
    local out = ok("run", "recipe.lua", "--out", "one")
    local kept, evaluated = out:match "\nkept: epoch (%d), ", core.json_decode(ok("eval", "one", "--json"))
    assert.equal(evaluated.epoch, math.tointeger(tonumber(kept)))
    local summary = core.json_decode(program.read(folder .. "/one/summary.json"))
    assert.same({ evaluated.epoch, evaluated.step }, { summary.kept.epoch, summary.kept.step })
    has(program.read(folder .. "/one/report.html"), ("3 (kept: %s)"):format(kept))
    local _, said = out:gsub("%(validation%)\n", "")
    assert.equal(1, said)
    assert.falsy(ok("run", "recipe.lua", "--out", "last", "--set", "select=last"):find "kept:")
  end)

  it("run --resume of a finished run says so, and how to train on", function()
    write("recipe.lua", program.recipe())
    ok("run", "recipe.lua", "--out", "one", "--quiet")
    local out = ok("run", "--resume", "one")
    has(out, "already finished, at step 24; to train on from its weights: mtl run RECIPE --init", "\ntest ")
    assert.falsy(out:find "going on")
  end)

  describe("lua", function()
    it("runs a script with its arguments and mtl", function()
      write("script.lua", [[
print(arg[0], #arg, arg[1], arg[2], select("#", ...), ...)
local m = require "mtl"
print(m == mtl, m.tensor({ 1, 2 }):sum():item(), io ~= nil, os.execute ~= nil)]])
      assert.equal("script.lua\t2\t--help\tb\t2\t--help\tb\ntrue\t3.0\ttrue\ttrue\n",
        ok("lua", "script.lua", "--help", "b"))
    end)

    it("reports errors in one line, and ends as the script says", function()
      write("script.lua", "local t\nerror('oh no')")
      wrong({ "lua", "script.lua" }, "script.lua:2: oh no")
      write("script.lua", "return = 3")
      wrong({ "lua", "script.lua" }, "script.lua:1:")
      write("script.lua", "os.exit(7)")
      assert.equal(7, mtl("lua", "script.lua").status)
      wrong({ "lua", "nowhere.lua" }, "nowhere.lua")
      wrong({ "lua" }, "FILE is missing")
      assert.equal("", ok("lua", "-"))
    end)

    it("shows where an error came from with MTL_DEBUG", function()
      write("script.lua", "local function deep() error 'oh no' end\ndeep()")
      local result = program.run(folder, { "lua", "script.lua" }, "MTL_DEBUG=1")
      assert.equal(1, result.status)
      has(result.err, "mtl: script.lua:1: oh no\n", "stack traceback", "deep")
    end)
  end)

  it("says so when standard output cannot be written", function()
    local result = program.run(folder, { "-c", "exec " .. os.getenv "MTL_PROGRAM" .. " help >/dev/full" }, nil, "sh")
    assert.equal(1, result.status)
    has(result.err, "mtl: standard output: No space left")
  end)
end)
