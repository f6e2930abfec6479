local core = require "mtl.core"
local mtl = require "mtl"
local support = dofile "spec/support/training.lua"
local trainer = require "mtl.trainer"

local base, count = nil, 0

setup(function() base = support.folder() end)
teardown(function() support.remove(base) end)

local function data(n, batch, seed, target)
  local x = core.uniform_(core.zeros(n, 2), seed, "spec/points", 0, -2, 2)
  return mtl.data.tensors { inputs = x, batch = batch, targets = { [target] = x:select(2, 1):gt(0):cast "int32" } }
end

local function train(change, options)
  count = count + 1
  options = options or {}
  options.out = options.out or base .. "/run" .. count
  local head = mtl.nn.linear(8, 2)
  local r = {
    name = "two", log_every = 1,
    trunk = mtl.nn.sequential { mtl.nn.linear(2, 8), mtl.nn.batch_norm1d(), mtl.nn.relu() },
    tasks = {
      { name = "a", head = head, loss = mtl.loss.cross_entropy(), data = data(100, 20, 1, "a") },
      { name = "b", head = head, loss = mtl.loss.cross_entropy(), data = data(50, 20, 2, "b") },
    },
    ends = mtl.when.epochs(3),
  }
  change(r)
  local summary, t = trainer.train(mtl.recipe(r), options)
  return options.out, summary, t
end

local function nothing() end

describe("tasks with data of their own", function()
  it("draw a batch each in every step; an epoch is the longest set", function()
    local out, summary, t = train(nothing)
    assert.equal(12, summary.steps) -- 80 rows in batches of 20; the other has 40 and begins again
    for _, record in ipairs(support.records(out, "step")) do
      assert.is_number(record.tasks.a.loss)
      assert.is_number(record.tasks.b.loss)
    end
    assert.equal(2, #t.sources)
    assert.equal(12 * 40, t.at.samples)
    assert.is_number(summary.test.a.kpi)
    assert.is_number(summary.test.b.kpi)
  end)

  it("see the same as a recipe of one task, where nothing is shared", function()
    local function alone(name, n, seed)
      return select(2, train(function(r)
        r.trunk = mtl.nn.identity()
        r.tasks = { { name = name, head = mtl.nn.linear(2, 2), loss = mtl.loss.cross_entropy(),
          data = data(n, 20, seed, name) } }
      end))
    end
    local _, both = train(function(r)
      r.trunk = mtl.nn.identity()
      r.tasks[1].head, r.tasks[2].head = mtl.nn.linear(2, 2), mtl.nn.linear(2, 2)
      r.tasks[2].data = data(100, 20, 2, "b")
    end)
    assert.same(alone("a", 100, 1).test.a, both.test.a)
  end)

  it("may be stopped within an epoch and go on to the same bits", function()
    local whole = train(nothing)
    for _, steps in ipairs { 3, 6, 7 } do
      local cut = train(nothing, { max_steps = steps })
      train(nothing, { out = cut, resume = true })
      local a, log_a = support.content(whole)
      local b, log_b = support.content(cut)
      assert.is_true(a == b)
      assert.equal(log_a, log_b)
    end
  end)

  it("in a stage without the longest, an epoch is that of the others", function()
    local _, summary = train(function(r)
      r.stages = { { tasks = { "b" }, ends = mtl.when.epochs(2) }, { ends = mtl.when.epochs(1) } }
      r.ends = nil
    end)
    assert.equal(2 * 2 + 4, summary.steps)
  end)

  it("may read inputs of their own in a graph", function()
    local _, summary = train(function(r)
      local nn = mtl.nn
      local x = core.uniform_(core.zeros(60, 3), 5, "spec/points", 0, -2, 2)
      r.tasks[2].data = mtl.data.tensors { inputs = { wide = x }, batch = 10,
        targets = { b = x:select(2, 1):gt(0):cast "int32" } }
      r.tasks[1].data = mtl.data.tensors { inputs = { narrow = x:slice(2, 1, 2) }, batch = 10,
        targets = { a = x:select(2, 1):gt(0):cast "int32" } }
      r.trunk, r.tasks[1].head, r.tasks[2].head = nil, nil, nil
      r.model = nn.graph {
        inputs = { "narrow", "wide" },
        nodes = {
          { "in_narrow", nn.linear(2, 8), from = "narrow" }, { "in_wide", nn.linear(3, 8), from = "wide" },
          { "out_a", nn.linear(8, 2), from = "in_narrow" }, { "out_b", nn.linear(8, 2), from = "in_wide" },
        },
        outputs = { a = "out_a", b = "out_b" },
      }
    end)
    assert.is_number(summary.test.b.kpi)
  end)

  it("are refused where data are missing, read by nobody, or of another shape", function()
    local function refused(text, change)
      local ok, message = pcall(train, change)
      assert.is_false(ok)
      assert.matches(text, message, 1, true)
    end
    refused("task 'b': data is missing", function(r) r.tasks[2].data = nil end)
    refused("data is read by no task", function(r) r.data = data(10, 2, 1, "a") end)
    refused("of shape [3], but another task's data of shape [2]", function(r)
      r.tasks[2].data = mtl.data.tensors { inputs = core.zeros(20, 3), targets = { b = core.ones(20, "int32") } }
    end)
  end)
end)

describe("--init", function()
  it("copies what has the name and shape of a parameter, and says what matched", function()
    local from, _, first = train(nothing)
    local notes = {}
    local out, _, t = train(function(r)
      r.tasks[2] = { name = "c", head = mtl.nn.linear(8, 3), loss = mtl.loss.cross_entropy(), target = "b",
        data = mtl.data.tensors { inputs = core.zeros(20, 2), targets = { b = core.arange(20, "int32") }, split = { 1 },
          classes = { b = 20 } } }
      r.tasks[2].head = mtl.nn.linear(8, 20)
      r.optimizer = mtl.optim.sgd { lr = 1e-30 }
      r.stages, r.ends = { { tasks = { "a" }, ends = mtl.when.steps(1) } }, nil
    end, { init = from, progress = { note = function(_, text) notes[#notes + 1] = text end } })
    assert.equal(1, #notes)
    assert.matches("^init: 8 of 10 tensors %(", notes[1])
    assert.matches("new: heads.c.weight, heads.c.bias; not used: heads.b.bias, heads.b.weight", notes[1], 1, true)
    local function values(model, name)
      for _, p in ipairs(model:parameters()) do
        if p.name == name then
          return p.tensor:totable()
        end
      end
    end
    assert.same(values(first.model, "trunk.0.weight"), values(t.model, "trunk.0.weight"))
    assert.same(values(first.model, "heads.a.bias"), values(t.model, "heads.a.bias"))
    assert.matches(from, core.json_decode(support.read(out .. "/run.json")).init.from, 1, true)
  end)

  it("is refused where nothing matches, or there is no run", function()
    local from = train(nothing)
    local ok, message = pcall(train, function(r)
      r.trunk = mtl.nn.linear(2, 9)
      r.tasks[1].head, r.tasks[2].head = mtl.nn.linear(9, 2), mtl.nn.linear(9, 2)
      r.tasks[1].name, r.tasks[2].name, r.tasks[1].target, r.tasks[2].target = "c", "d", "a", "b"
    end, { init = from })
    assert.is_false(ok)
    assert.matches("init: no parameter of .* has the name and shape of one of this model", message)
    ok, message = pcall(train, nothing, { init = base .. "/nowhere" })
    assert.is_false(ok)
    assert.matches("init: '.*nowhere' is neither a run with a checkpoint nor a safetensors file", message)
  end)
end)
