local core = require "mtl.core"
local mtl = require "mtl"
local support = dofile "spec/support/training.lua"
local trainer = require "mtl.trainer"

local base, count = nil, 0

local function train(change, options)
  count = count + 1
  options = options or {}
  options.out = options.out or base .. "/run" .. count
  local summary, t = trainer.train(support.recipe(function(r)
    r.log_every = 1
    r.trunk = mtl.nn.sequential { mtl.nn.linear(2, 16), mtl.nn.tanh() } -- no noise: its masks are by batch
    change(r)
  end), options)
  return options.out, summary, t
end

setup(function() base = support.folder() end)
teardown(function() support.remove(base) end)

-- Points with labels that are missing unevenly: the first rows have few.
local function points(batch)
  local n = 160
  local x = core.uniform_(core.zeros(n, 2), 11, "spec/points", 0, -2, 2)
  local gone = core.uniform_(core.zeros(n), 12, "spec/gone", 0, 0, 1)
  local side = (x:select(2, 1) * x:select(2, 2)):gt(0)
  return mtl.data.tensors { inputs = x, batch = batch, split = { 0.8, 0.1, 0.1 }, targets = {
    side = (side * gone:gt(0.4) - gone:le(0.4)):cast "int32",
    ring = (x:select(2, 1):gt(0) + x:select(2, 2):gt(0)):cast "int32",
    height = core.where(gone:lt(0.7), x:square():sum(2), 0 / 0),
  } }
end

describe("accumulate", function()
  local policies = {
    uniform = mtl.policy.uniform(), focal = mtl.policy.focal { normalize = true },
    uncertainty = mtl.policy.uncertainty { lr = 0.05 }, fixed = mtl.policy.fixed { side = 1, ring = 0, height = 0.3 },
  }
  for name, policy in pairs(policies) do
    it("makes the step of the whole batch of micro-batches: " .. name, function()
      local function parameters(batch, n)
        local out, _, t = train(function(r)
          r.data, r.accumulate, r.stages = points(batch), n, nil
          r.policy, r.ends = policy, mtl.when.epochs(3)
          r.optimizer = mtl.optim.sgd { lr = 0.01, momentum = 0.9 } -- small enough that rounding does not grow
        end)
        return t.model:params():totable(), support.records(out, "step")
      end
      local whole, records = parameters(32, 1)
      local parts, same = parameters(8, 4)
      assert.equal(#records, #same)
      for i, record in ipairs(records) do
        for task, r in pairs(record.tasks) do
          local s = same[i].tasks[task]
          assert.near(r.loss, s.loss, 1e-5 * (1 + r.loss))
          assert.near(r.weight, s.weight, 1e-5)
          assert.equal(r.kpi, task == "height" and r.kpi or s.kpi)
        end
      end
      for i = 1, #whole do
        assert.near(whole[i], parts[i], 2e-5)
      end
    end)
  end

  it("takes what is left of an epoch as its last step", function()
    local _, summary = train(function(r)
      r.data, r.accumulate, r.stages, r.ends = points(10), 4, nil, mtl.when.epochs(2)
    end)
    assert.equal(8, summary.steps) -- 128 rows: 13 batches, 4 steps
  end)

  it("goes on within an epoch to the same bits", function()
    local function change(r)
      r.data, r.accumulate, r.stages, r.ends = points(8), 3, nil, mtl.when.epochs(3)
      r.policy = mtl.policy.focal { normalize = true }
    end
    local whole = train(change)
    local cut = train(change, { max_steps = 8 })
    train(change, { out = cut, resume = true })
    local a, log_a = support.content(whole)
    local b, log_b = support.content(cut)
    assert.is_true(a == b)
    assert.equal(log_a, log_b)
  end)

  it("clips the mixed gradient", function()
    local function length(n)
      local _, _, t = train(function(r)
        r.data, r.accumulate, r.stages, r.ends, r.clip = points(32 // n), n, nil, mtl.when.steps(1), 0.01
        r.optimizer = mtl.optim.sgd { lr = 1 }
      end)
      local _, _, untouched = train(function(r)
        r.data, r.stages, r.ends = points(32), nil, mtl.when.steps(1)
        r.optimizer = mtl.optim.sgd { lr = 1e-30 }
      end)
      return (t.model:params() - untouched.model:params()):square():sum():item() ^ 0.5
    end
    assert.near(0.01, length(1), 1e-6)
    assert.near(0.01, length(4), 1e-6)
  end)

  it("does not go with through_kpi", function()
    local ok, message = pcall(support.recipe, function(r)
      r.accumulate, r.stages, r.ends = 2, nil, mtl.when.epochs(1)
      r.policy = mtl.policy.focal { through_kpi = true }
    end)
    assert.is_false(ok)
    assert.matches("through_kpi needs the whole batch at once, so it does not go with accumulate = 2", message)
  end)
end)

describe("a loss that learns", function()
  -- (s - x)^2 of a learned s: its minimum is the mean of the targets, whatever the model does
  local learner = mtl.loss.define {
    name = "spec_learner", form = "squared",
    learned = function() return { { name = "centre", value = 0.5 } } end,
    compute = function(_, pred, target, slots)
      local n = target:count()
      return ((slots[1] - target):square():sum() + (pred * 0):sum()) / n, n
    end,
  }

  local function change(batch, accumulate, lr)
    return function(r)
      r.data, r.accumulate, r.stages, r.ends = points(batch), accumulate, nil, mtl.when.epochs(2)
      r.data = mtl.data.tensors { inputs = core.ones(40, 2), targets = { height = core.arange(40) / 40 },
        split = { 1 }, batch = batch }
      r.optimizer = mtl.optim.sgd { lr = lr or 0.25, weight_decay = 0.5 }
      r.policy = mtl.policy.fixed { height = 2 }
      r.tasks = { { name = "height", head = mtl.nn.linear(16, 1), loss = learner(), kpi = mtl.kpi.r2() } }
    end
  end

  it("moves by its own gradient, weighted, without decay, and is kept", function()
    local out, _, t = train(change(40, 1))
    local centre, mean = 0.5, 39 / 80
    for _ = 1, 2 do
      centre = centre - 0.25 * 2 * 2 * (centre - mean)
    end
    assert.near(centre, t.loss_leaves[1][1].tensor:item(), 1e-6)
    local file = core.safetensors_read(out .. "/checkpoint.safetensors")
    assert.near(centre, file:tensor("loss.height.centre"):item(), 1e-6)
  end)

  it("is the same over micro-batches, and when resumed", function()
    local _, _, whole = train(change(40, 1))
    local _, _, parts = train(change(8, 5))
    assert.near(whole.loss_leaves[1][1].tensor:item(), parts.loss_leaves[1][1].tensor:item(), 1e-6)
    local one = train(change(8, 1, 0.01))
    local two = train(change(8, 1, 0.01), { max_steps = 3 })
    train(change(8, 1, 0.01), { out = two, resume = true })
    assert.is_true(support.content(one) == support.content(two))
  end)
end)
