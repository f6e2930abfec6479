-- How the trainer serves policies on gradients: the Gramian is that of the task gradients, the mix what they ask for.
local mtl = require "mtl"
local support = dofile "spec/support/training.lua"
local trainer = require "mtl.trainer"

local base, count = nil, 0

local function train(change, options)
  count = count + 1
  options = options or {}
  options.out = options.out or base .. "/run" .. count
  local summary, t = trainer.train(support.recipe(function(r)
    r.log_every, r.stages, r.ends = 1, nil, mtl.when.steps(1)
    r.trunk = mtl.nn.sequential { mtl.nn.linear(2, 16), mtl.nn.tanh() }
    r.optimizer = mtl.optim.sgd { lr = 0.5 }
    change(r)
  end), options)
  return options.out, summary, t
end

setup(function() base = support.folder() end)
teardown(function() support.remove(base) end)

-- By how much one step of weights w moves each parameter: { name = tensor }.
local function moves(policy, change)
  local _, _, before = train(function(r)
    r.optimizer = mtl.optim.sgd { lr = 1e-30 }
    if change then change(r) end
  end)
  local _, _, after = train(function(r)
    r.policy = policy
    if change then change(r) end
  end)
  local moved = {}
  for i, p in ipairs(after.model:parameters()) do
    moved[p.name] = (before.model:parameters()[i].tensor - p.tensor) / 0.5
  end
  return moved
end

local names = { "side", "ring", "height" }

local function only(name)
  local w = { side = 0, ring = 0, height = 0 }
  w[name] = 1
  return moves(mtl.policy.fixed(w))
end

local function near(a, b, tolerance)
  assert.is_true((a - b):abs():max():item() < tolerance)
end

describe("a policy on gradients", function()
  local own, gram = {}, {}
  setup(function()
    for i, name in ipairs(names) do
      own[i] = only(name)
    end
    for i = 1, 3 do
      gram[i] = {}
      for j = 1, 3 do
        gram[i][j] = 0
        for _, name in ipairs { "trunk.0.weight", "trunk.0.bias" } do
          gram[i][j] = gram[i][j] + (own[i][name] * own[j][name]):sum():item()
        end
      end
    end
  end)

  local function check(accumulate)
    local seen
    local weights = { 0.5, -1, 2 }
    local change = accumulate and function(r)
      r.accumulate, r.data.batch = 2, 32
    end or nil
    local moved = moves(mtl.policy.custom(function(ctx)
      seen = ctx.gram
      return weights
    end, { needs = "gram", heads = "unit" }), change)
    for i = 1, 3 do
      for j = 1, 3 do
        assert.near(gram[i][j], seen[i][j], 1e-5 * (math.abs(gram[i][j]) + 1e-2))
        assert.equal(seen[i][j], seen[j][i])
      end
    end
    for _, name in ipairs { "trunk.0.weight", "trunk.0.bias" } do
      near(moved[name], own[1][name] * 0.5 - own[2][name] + own[3][name] * 2, 1e-5)
    end
    near(moved["heads.ring.weight"], own[2]["heads.ring.weight"], 1e-5) -- heads keep their own gradient
  end

  it("sees the Gramian over the shared parameters, and gets what it asks for", function()
    check(false)
  end)

  it("does over micro-batches too", function()
    check(true)
  end)

  it("weighs heads where it says so", function()
    local moved = moves(mtl.policy.custom(function() return { 0.5, -1, 2 } end, { needs = "gram" }))
    near(moved["heads.ring.weight"], own[2]["heads.ring.weight"] * -1, 1e-5)
  end)

  it("is the same bits for any number of threads, and when resumed", function()
    local function run(options)
      local out = train(function(r)
        r.policy = mtl.policy.custom(function(ctx, state)
          state.n = (state.n or 0) + 1
          return { ctx.gram[2][2] / (ctx.gram[1][1] + ctx.gram[2][2]), 1, state.n / 10 }
        end, { needs = "gram", heads = "unit" })
        r.ends = mtl.when.epochs(2)
        r.optimizer = mtl.optim.adam { lr = 0.01 }
      end, options)
      return out
    end
    local one, two = run { threads = 1 }, run { threads = 2 }
    assert.is_true(support.content(one) == support.content(two))
    local cut = run { max_steps = 3 }
    run { out = cut, resume = true }
    assert.is_true(support.content(one) == support.content(cut))
  end)

  for _, name in ipairs(mtl.policy.names()) do
    local p = name ~= "fixed" and name ~= "custom" and name ~= "crmogm" and mtl.policy[name]()
    p = name == "crmogm" and mtl.policy.crmogm { mtl.policy.mgda() } or p
    if p and p.needs == "gram" then
      it("trains, and goes on to the same bits: " .. name, function()
        local function run(options)
          return train(function(r)
            r.policy, r.ends, r.optimizer = p, mtl.when.epochs(2), mtl.optim.adam { lr = 0.01 }
            r.accumulate = name == "cagrad" and 2 or 1
            r.data.batch = name == "cagrad" and 32 or 64
          end, options)
        end
        local whole, summary = run()
        assert.is_true(summary.test.side.kpi > 0.6)
        local cut = run { max_steps = 7 }
        run { out = cut, resume = true }
        assert.is_true(support.content(whole) == support.content(cut))
      end)
    end
  end

  it("keeps its weights for `every` steps", function()
    local calls = 0
    local counting = mtl.policy.define { name = "spec_counting", needs = "gram",
      params = { every = { default = 1, type = "size" } },
      weights = function(_, ctx)
        calls = calls + 1
        local w = {}
        for i in ipairs(ctx.gram) do w[i] = calls end
        return w
      end }
    local out = train(function(r) r.policy, r.ends = counting { every = 3 }, mtl.when.steps(7) end)
    assert.equal(3, calls)
    local weights = {}
    for i, record in ipairs(support.records(out, "step")) do
      weights[i] = record.tasks.side.weight
    end
    assert.same({ 1, 1, 1, 2, 2, 2, 3 }, weights)
  end)

  it("leaves a task alone its own gradient", function()
    local called = false
    local moved = moves(mtl.policy.custom(function() called = true return { 7 } end, { needs = "gram" }), function(r)
      r.stages, r.ends = { { tasks = { "ring" }, ends = mtl.when.steps(1), policy = r.policy } }, nil
    end)
    assert.is_false(called)
    near(moved["trunk.0.weight"], own[2]["trunk.0.weight"], 1e-5)
  end)

  it("is refused where it wants what there is not", function()
    assert.error_matches(function()
      train(function(r) r.policy = mtl.policy.custom(function() end, { needs = "rows" }) end)
    end, "policy.custom: it rewrites the task gradients themselves, which this version of mtl does not give")
  end)
end)

describe("diagnose", function()
  it("logs norms and cosines of the task gradients, and changes nothing that matters", function()
    local out, _, plain = train(function(r) r.diagnose, r.ends = 2, mtl.when.steps(5) end)
    local records = support.records(out, "diagnose")
    assert.equal(2, #records)
    local d = records[1]
    assert.equal(2, d.step)
    assert.same(names, d.tasks)
    for i = 1, 3 do
      assert.near(1, d.cosines[i][i], 1e-9)
      assert.is_true(d.norms[names[i]] > 0)
      for j = 1, 3 do
        assert.near(d.cosines[i][j], d.cosines[j][i], 1e-12)
      end
    end
    assert.is_true(d.condition >= 1 and d.conflicts >= 0 and d.conflicts <= 1)
    local _, _, other = train(function(r) r.ends = mtl.when.steps(5) end)
    near(plain.model:params(), other.model:params(), 1e-4)
  end)
end)

describe("a policy that looks at the batch again", function()
  it("finds the losses after the step, with the same masks, and moves no statistics", function()
    local seen = {}
    local again = mtl.policy.define {
      name = "spec_again", wants_after = true,
      weights = function(_, ctx)
        local w = {}
        for i in ipairs(ctx.losses) do w[i] = 1 end
        return w
      end,
      after_step = function(_, ctx)
        seen[#seen + 1] = { ctx.losses, ctx.losses_after }
      end,
    }
    local function change(policy, lr)
      return function(r)
        r.trunk = mtl.nn.sequential { mtl.nn.linear(2, 16), mtl.nn.batch_norm1d(), mtl.nn.dropout(0.5) }
        r.policy, r.optimizer, r.ends = policy, mtl.optim.sgd { lr = lr }, mtl.when.steps(3)
      end
    end
    train(change(again(), 1e-30))
    for _, pair in ipairs(seen) do
      for i = 1, 3 do
        assert.near(pair[1][i], pair[2][i], 1e-6)
      end
    end
    seen = {}
    local with = train(change(again(), 0.1))
    local without = train(change(mtl.policy.uniform(), 0.1))
    assert.is_true(support.content(with) == support.content(without))
    assert.is_true(seen[1][2][1] ~= seen[1][1][1])
  end)
end)
