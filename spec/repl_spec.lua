local core = require "mtl.core"
local program = dofile "spec/support/program.lua"
local show = require "mtl.cli.show"

local folder

-- What `mtl repl` does with these lines on standard input.
local function repl(lines, ...)
  program.write(folder .. "/lines", lines)
  local words = { ... }
  for i, word in ipairs(words) do
    words[i] = " '" .. word .. "'"
  end
  return program.run(folder, { "-c", ("exec '%s' repl%s <lines"):format(os.getenv "MTL_PROGRAM",
    table.concat(words)) }, nil, "sh")
end

local function gives(lines, out, ...)
  local result = repl(lines, ...)
  assert.equal("", result.err)
  assert.equal(out, result.out)
  assert.equal(0, result.status)
end

describe("mtl repl", function()
  before_each(function()
    folder = program.folder()
  end)
  after_each(function()
    program.remove(folder)
  end)

  it("prints the values of expressions, and keeps variables", function()
    gives("1 + 1\nx = 20\nx * 2, nil, 'a'\n_1 + 2\n", "2\n40\tnil\ta\n42\n")
    gives("", "")
    gives("\n-- nothing\nlocal y = 1\ny", "nil\n")
  end)

  it("keeps the last values, and takes '=' before an expression", function()
    gives("3, 4\n_ + _2\n= _ * 2\nprint 'x'\n_, _2\n", "3\t4\n7\n14\nx\n14\tnil\n")
  end)

  it("has commands that begin with %", function()
    program.write(folder .. "/lib.lua", "function twice(x)\n  return 2 * x\nend\n")
    local result = repl "%load lib.lua\n%time twice(21)\n%device\n"
    assert.equal("", result.err)
    assert.matches("^42\n%S+ s\ncpu\n$", result.out)
    assert.matches("there is no command '%%x'; there are %%time", repl("%x\n").err)
    assert.matches("cannot open no.lua", repl("%load no.lua\n").err)
  end)

  it("goes on over lines until a chunk is whole", function()
    gives("for i = 1, 2 do\nprint(i)\nend\nmath.max(1,\n\n5)\n[[a\nb]]\n", "1\n2\n5\na\nb\n")
  end)

  it("says how a call is written", function()
    assert.matches('near \'policy\'; a call is written help "policy.focal"', repl("help policy.focal\n").err, 1, true)
    assert.matches("near '5'; a call is written plot(5)", repl("plot 5\n").err, 1, true)
    assert.falsy(repl("nothing 5\n").err:find "a call")
  end)

  it("has mtl and its parts at hand", function()
    gives("mtl.tensor { 1, 2 } * 2\nnn.linear(2, 3)\nloss.mse()\n#metric.names() > 0\n"
      .. "kpi ~= nil, policy ~= nil, optim ~= nil, when ~= nil\n",
      "[2. 4.]  float32 [2], cpu\nnn.linear { bias = true, in_features = 2, out_features = 3 }\nloss.mse()\ntrue\n"
      .. "true\ttrue\ttrue\ttrue\n")
  end)

  it("ends at the first error with status 1", function()
    local result = repl "print(1)\nerror('no')\nprint(2)\n"
    assert.equal(1, result.status)
    assert.equal("1\n", result.out)
    assert.equal("mtl: standard input:2: no\n", result.err)
    result = repl "print(1)\nx x\nprint(2)\n"
    assert.equal(1, result.status)
    assert.equal("1\n", result.out)
    assert.equal("mtl: standard input:2: syntax error near 'x'\n", result.err)
    result = repl "for i = 1, 2 do\n"
    assert.equal(1, result.status)
    assert.matches("'end' expected near <eof>", result.err)
  end)

  it("opens a run", function()
    program.write(folder .. "/recipe.lua", program.recipe())
    assert.equal(0, program.run(folder, { "run", "recipe.lua", "--out", "one", "--quiet" }).status)
    gives("run\nrun:predict(mtl.zeros(3, 4)).left:shape()\n",
      ("run of spec in %s: step 24, epoch 3\n{ 3, 2 }\n"):format(core.realpath(folder .. "/one")), "one")
    local result = repl("", "nowhere")
    assert.equal(1, result.status)
    assert.matches("nowhere", result.err)
  end)

  it("shows tables with what they hold", function()
    assert.equal("{}", show {})
    assert.equal('{ 1, 2, a = { "x", b = false }, ["c d"] = 3 }', show { 1, 2, a = { "x", b = false }, ["c d"] = 3 })
    assert.equal("text", show "text")
    assert.equal("nil", show(nil))
    local t = { 1 }
    t[2] = t
    assert.matches("^{ 1, { 1, { 1, { 1, table: ", show(t))
    local long = {}
    for i = 1, 200 do
      long[i] = i
    end
    assert.matches("... %(200 in all%)\n}$", show(long))
    assert.equal("{\n  left = [[1. 2.]\n   [3. 4.]]\n  float32 [2, 2], cpu\n}",
      show { left = core.tensor { { 1, 2 }, { 3, 4 } } })
  end)

  it("shows constructors as they are called, and long declarations in lines", function()
    local mtl = require "mtl"
    assert.equal("policy.pcgrad { every = 1, mean = false }", show(mtl.policy.pcgrad))
    assert.equal("nn.linear(in_features, out_features, { bias = true })", show(mtl.nn.linear))
    local long = mtl.nn.sequential { mtl.nn.conv2d(1, 10, 5), mtl.nn.relu(), mtl.nn.flatten() }
    assert.matches("^nn.sequential {\n  nn.conv2d {\n    bias = true,", show(long))
    assert.matches("^with: .*huber", show(mtl.loss))
    assert.equal("{ tensor float32 [8, 8], cpu }", show { core.zeros(8, 8) })
  end)

  it("trains step by step to the bits of mtl run, and weighs by another policy when told", function()
    program.write(folder .. "/recipe.lua", program.recipe())
    assert.equal(0, program.run(folder, { "run", "recipe.lua", "--out", "one", "--quiet", "--seed", "5" }).status)
    local last
    for line in io.lines(folder .. "/one/metrics.jsonl") do
      local record = core.json_decode(line)
      last = record.kind == "step" and record.step == 24 and record or last
    end
    gives("r = step(24)\n('%.17g %.17g'):format(r.loss, r.tasks.right.kpi_ema)\n"
      .. "policy = mtl.policy.mgda()\nr = step()\nr.policy, r.tasks.left.weight + r.tasks.right.weight\n",
      ("%.17g %.17g\nmgda\t1.0\n"):format(last.loss, last.tasks.right.kpi_ema), "recipe.lua", "--seed", "5")
    gives("step().step\nevaluate().left.kpi ~= nil\nmodel:count()\n", "25\ntrue\n67\n", "one")
  end)

  it("confines the recipe, unless it is trusted", function()
    program.write(folder .. "/recipe.lua", "io.open 'x'\n" .. program.recipe())
    local result = repl("1\n", "recipe.lua")
    assert.equal(1, result.status)
    assert.matches("io.open: a recipe may not use it", result.err)
    gives("1\n", "1\n", "recipe.lua", "--trust")
    assert.matches("leave %-%-seed out", (function()
      program.write(folder .. "/recipe.lua", program.recipe())
      assert.equal(0, program.run(folder, { "run", "recipe.lua", "--out", "one", "--quiet" }).status)
      return repl("1\n", "one", "--seed", "3").err
    end)())
  end)

  it("stops what runs at ^C, and goes on", function()
    local ok, message, pressed = core.interruptible(function()
      os.execute(("(sleep 0.1; kill -INT %d) &"):format(core.getpid()))
      local t = core.clock()
      while core.clock() < t + 20 do end -- luacheck: ignore
    end)
    assert.is_false(ok)
    assert.is_true(pressed)
    assert.matches("interrupted", message)
    assert.same({ true, 1, nil, 3 }, { core.interruptible(function(...) return ... end, 1, nil, 3) })
    assert.same({ false, "x", false }, { core.interruptible(error, "x", 0) })
  end)
end)
