-- How the trainer serves policies on gradients: the Gramian is that of the task gradients, the mix what they ask for.
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

  local variants = { crmogm = { mtl.policy.crmogm { mtl.policy.mgda() } },
    mgda = { mtl.policy.mgda(), mtl.policy.mgda { at = "representation" },
      mtl.policy.mgda { at = "representation", pool = "sum", heads = "weighted" } },
    gradvac = { mtl.policy.gradvac(), mtl.policy.gradvac { slices = "layer" },
      mtl.policy.gradvac { slices = "matrix" } },
    modo = { mtl.policy.modo(), mtl.policy.modo { every = 2 } } }
  for _, name in ipairs(mtl.policy.names()) do
    local list = name == "fixed" and {} or name == "custom" and {} or variants[name] or { mtl.policy[name]() }
    for k, p in ipairs(list) do
      if p.needs ~= "loss" then
        it(("trains, and goes on to the same bits: %s %d"):format(name, k), function()
          local function run(options)
            return train(function(r)
              r.policy, r.optimizer = p, mtl.optim.adam { lr = 0.01 }
              r.ends = mtl.when.epochs(p.batches > 1 and 4 or 2)
              r.accumulate = name == "cagrad" and 2 or 1
              r.data.batch = name == "cagrad" and 32 or p.batches > 1 and 16 or 64
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

  it("is refused where the recipe cannot serve it", function()
    local function refused(message, policy, change)
      assert.error_matches(function()
        train(function(r)
          r.policy = policy
          if change then change(r) end
        end)
      end, message)
    end
    local function accumulate(r) r.accumulate = 2 end
    refused("policy.modo draws three batches a step: not with accumulate", mtl.policy.modo(), accumulate)
    refused("policy.graddrop works on the gradients of one representation: not with accumulate", mtl.policy.graddrop(),
      accumulate)
    local function two_towers(r)
      r.trunk, r.model = nil, mtl.nn.graph {
        inputs = { "input" },
        nodes = {
          { "a", mtl.nn.linear(2, 4), from = { "input" } }, { "b", mtl.nn.linear(2, 4), from = { "input" } },
          { "join", mtl.nn.concat {}, from = { "a", "b" } }, { "side", mtl.nn.linear(4, 2), from = { "a" } },
          { "ring", mtl.nn.linear(8, 3), from = { "join" } }, { "height", mtl.nn.linear(4, 1), from = { "b" } },
        },
        outputs = { side = "side", ring = "ring", height = "height" },
      }
      for _, task in ipairs(r.tasks) do task.head = nil end
    end
    refused("policy.mgda works on the gradients of the representation that all its tasks read, and in this model there "
      .. "is none", mtl.policy.mgda { at = "representation" }, two_towers)
  end)
end)

describe("tasks that share nothing", function()
  it("are refused to policies on gradients", function()
    for _, name in ipairs { "pcgrad", "moco", "modo", "gradnorm", "gradvac" } do
      assert.error_matches(function()
        train(function(r)
          r.trunk, r.policy = mtl.nn.tanh(), mtl.policy[name]()
          for _, task in ipairs(r.tasks) do
            task.head = mtl.nn.linear(2, task.name == "ring" and 3 or task.name == "side" and 2 or 1)
          end
        end)
      end, "policy." .. name .. " works on the gradients of .* in this model there is none; a policy on losses")
    end
  end)
end)

describe("at the representation", function()
  local trunk = { "trunk.0.weight", "trunk.0.bias" }
  local options = { needs = "rows", at = "representation", heads = "unit" }

  it("rows are the gradients there: the trunk takes them on to its parameters", function()
    local gram, seen, z
    moves(mtl.policy.custom(function(ctx)
      gram = core.products(ctx.rows, ctx.rows)
      seen, z = {}, ctx.representation:clone()
      for i = 1, 3 do
        seen[i] = ctx.rows[i]:clone()
      end
      return { 1, 1, 1 }
    end, options))
    local given
    moves(mtl.policy.custom(function(ctx)
      given = ctx.gram
      return { 1, 1, 1 }
    end, { needs = "gram", at = "representation" }))
    for i, name in ipairs(names) do
      near((seen[i] * (1 - z * z)):sum(1), only(name)["trunk.0.bias"], 1e-5)
      for j = 1, 3 do
        assert.near(gram[i][j], given[i][j], 1e-12)
      end
    end
  end)

  it("weights act as on the parameters, and heads keep their own", function()
    local moved = moves(mtl.policy.custom(function() return { 0.5, -1, 2 } end, options))
    for _, name in ipairs(trunk) do
      near(moved[name], only("side")[name] * 0.5 - only("ring")[name] + only("height")[name] * 2, 1e-5)
    end
    near(moved["heads.ring.weight"], only("ring")["heads.ring.weight"], 1e-5)
    options.heads = "weighted"
    moved = moves(mtl.policy.custom(function() return { 0.5, -1, 2 } end, options))
    near(moved["heads.ring.weight"], only("ring")["heads.ring.weight"] * -1, 1e-5)
  end)

  it("a policy may rewrite rows, there and of the parameters", function()
    for _, at in ipairs { "representation", "shared" } do
      local moved = moves(mtl.policy.custom(function(ctx)
        for i = 1, 3 do
          ctx.rows[i]:copy_(ctx.rows[i] * (i == 2 and 3 or 0))
        end
        return { 1, 0.5, 1 }
      end, { needs = "rows", at = at, heads = "unit" }))
      for _, name in ipairs(trunk) do
        near(moved[name], only("ring")[name] * 1.5, 1e-5)
      end
    end
  end)

  it("diagnoses the gradients of the parameters, and changes nothing by it", function()
    local function run(policy, n)
      return train(function(r)
        r.trunk = mtl.nn.sequential { mtl.nn.linear(2, 16), mtl.nn.batch_norm1d(), mtl.nn.dropout(0.5) }
        r.policy, r.diagnose, r.ends = policy, n, mtl.when.steps(3)
      end)
    end
    local out, plain = run(mtl.policy.graddrop(), 1), run(mtl.policy.graddrop(), 0)
    local of_uniform = run(mtl.policy.uniform(), 1)
    local a, b = support.records(out, "diagnose"), support.records(of_uniform, "diagnose")
    assert.equal(3, #a)
    assert.near(b[1].norms.side, a[1].norms.side, 1e-5)
    assert.near(b[1].cosines[1][2], a[1].cosines[1][2], 1e-5)
    local function tensors(folder)
      return (support.content(folder))
    end
    assert.is_true(tensors(out) == tensors(plain))
  end)
end)

describe("rows", function()
  local function norms(needs, change)
    local seen = {}
    moves(mtl.policy.custom(function(ctx)
      local gram = ctx.gram or core.products(ctx.rows, ctx.rows)
      for i, name in ipairs(ctx.tasks) do seen[name] = gram[i][i] end
      return { 1, 1, 1 }
    end, { needs = needs, heads = "unit" }), change)
    return seen
  end

  it("are the right tasks', in whatever order a stage names them, and for a part of them", function()
    for _, tasks in ipairs { { "height", "ring", "side" }, { "height", "side" } } do
      local function change(r)
        r.stages, r.ends = { { tasks = tasks, ends = mtl.when.steps(1), policy = r.policy } }, nil
      end
      local a, b = norms("gram", change), norms("rows", change)
      for _, name in ipairs(tasks) do
        assert.near(a[name], b[name], 1e-6 * a[name])
      end
    end
  end)

  it("are 0 where the trunk is frozen: every policy on gradients trains the heads", function()
    for _, name in ipairs { "moco", "db_mtl", "excess_mtl", "modo", "graddrop", "pcgrad" } do
      local _, _, t = train(function(r)
        r.stages, r.ends = { { ends = mtl.when.steps(2), policy = mtl.policy[name](), freeze = "trunk" } }, nil
      end)
      for _, p in ipairs(t.model:parameters()) do
        assert.equal(0, (p.tensor - p.tensor):abs():sum():item()) -- finite
      end
    end
  end)

  it("may be added to each other", function()
    local moved = moves(mtl.policy.custom(function(ctx)
      ctx.rows[1]:add_(ctx.rows[2], 2)
      assert.error_matches(function() ctx.rows[1]:add_(ctx.rows[1]) end, "share elements; clone%(%) one of them")
      return { 1, 0, 0 }
    end, { needs = "rows", heads = "unit" }))
    near(moved["trunk.0.bias"], only("side")["trunk.0.bias"] + only("ring")["trunk.0.bias"] * 2, 1e-5)
  end)
end)

describe("what lies above the representation", function()
  it("is a head, also where a task of another stage reaches it", function()
    local function tower(weights)
      return function(r)
        r.trunk, r.model = nil, mtl.nn.graph {
          inputs = { "input" },
          nodes = {
            { "trunk", mtl.nn.sequential { mtl.nn.linear(2, 8), mtl.nn.tanh() }, from = { "input" } },
            { "tower", mtl.nn.linear(8, 4), from = { "trunk" } }, { "side", mtl.nn.linear(4, 2), from = { "tower" } },
            { "ring", mtl.nn.linear(4, 3), from = { "tower" } }, { "height", mtl.nn.linear(8, 1), from = { "trunk" } },
          },
          outputs = { side = "side", ring = "ring", height = "height" },
        }
        for _, task in ipairs(r.tasks) do task.head = nil end
        r.stages, r.ends = { { tasks = { "side", "height" }, policy = r.policy, ends = mtl.when.steps(1) } }, nil
        return weights
      end
    end
    local plain = moves(mtl.policy.uniform(), tower())
    for _, needs in ipairs { "gram", "rows" } do
      local moved = moves(mtl.policy.custom(function() return { 0.1, 0.1 } end,
        { needs = needs, at = "representation", heads = "unit" }), tower())
      near(moved["tower.weight"], plain["tower.weight"], 1e-5)
      near(moved["trunk.0.weight"], plain["trunk.0.weight"] * 0.1, 1e-5)
    end
  end)
end)

describe("a task that comes back", function()
  it("begins its history anew, even where it is alone in its first step", function()
    local state
    local counting = mtl.policy.define { name = "spec_history", needs = "gram",
      weights = function(self, ctx)
        state = self.state
        for _, h in ipairs(require "mtl.history".all(self, ctx)) do h.n = (h.n or 0) + 1 end
        return { 1, 1, 1 }
      end }
    local policy = counting()
    train(function(r)
      r.stages, r.ends = {
        { name = "a", tasks = { "side", "ring" }, policy = policy, ends = mtl.when.steps(3) },
        { name = "b", tasks = { "side" }, policy = policy, ends = mtl.when.steps(1) },
        { name = "c", tasks = { "side", "ring" }, policy = policy, ends = mtl.when.steps(2) },
      }, nil
    end)
    assert.equal(5, state.tasks.side.n)
    assert.equal(2, state.tasks.ring.n)
  end)
end)

describe("by slices", function()
  it("Gramians add up to the whole, and weights are each slice's own", function()
    local seen, whole
    moves(mtl.policy.custom(function(ctx)
      whole = ctx.gram
      return { 1, 1, 1 }
    end, { needs = "gram" }))
    local function two_layers(r)
      r.trunk = mtl.nn.sequential { mtl.nn.linear(2, 16), mtl.nn.tanh(), mtl.nn.linear(16, 8), mtl.nn.tanh() }
      for _, task in ipairs(r.tasks) do
        task.head = mtl.nn.linear(8, task.name == "height" and 1 or task.name == "side" and 2 or 3)
      end
    end
    local moved = moves(mtl.policy.custom(function(ctx)
      seen = ctx.slices
      return { { 1, 0, 0 }, { 0, 2, 0 } }
    end, { needs = "slice_gram", heads = "unit" }), two_layers)
    assert.equal(2, #seen)
    local first, second = mtl.policy.fixed { side = 1, ring = 0, height = 0 }, mtl.policy.fixed { side = 0, ring = 1,
      height = 0 }
    near(moved["trunk.0.weight"], moves(first, two_layers)["trunk.0.weight"], 1e-5)
    near(moved["trunk.2.bias"], moves(second, two_layers)["trunk.2.bias"] * 2, 1e-5)
    near(moved["heads.ring.weight"], moves(second, two_layers)["heads.ring.weight"], 1e-5)
    moves(mtl.policy.custom(function(ctx)
      seen = ctx.slices
      return { { 1, 1, 1 } }
    end, { needs = "slice_gram" }))
    for i = 1, 3 do
      for j = 1, 3 do
        assert.near(whole[i][j], seen[1][i][j], 1e-9 * math.abs(whole[i][i]) + 1e-12)
      end
    end
  end)
end)

describe("three unequal batches", function()
  -- Batches of 16 in a known order; a policy on one batch sees each of their gradients in turn.
  local function small(r)
    r.data.batch, r.ends = 16, mtl.when.steps(3)
    r.optimizer = mtl.optim.sgd { lr = 1e-30 }
  end

  it("give J1 J2' and a step on the third", function()
    local rows, gram = {}, nil
    train(function(r)
      small(r)
      r.policy = mtl.policy.custom(function(ctx)
        rows[#rows + 1] = ctx.rows:clone()
        return { 1, 1, 1 }
      end, { needs = "rows" })
    end)
    local three = mtl.policy.define { name = "spec_unequal", needs = "gram", heads = "unit", batches = 3,
      weights = function(_, ctx)
        gram = gram or ctx.gram
        return { 0, 1, 0 }
      end }
    local want = core.products(rows[1], rows[2])
    local function step_of(lr)
      local _, _, t = train(function(r)
        small(r)
        r.policy, r.ends, r.optimizer = three(), mtl.when.steps(1), mtl.optim.sgd { lr = lr }
      end)
      return t.model
    end
    local before, after = step_of(1e-30), step_of(0.5)
    for i = 1, 3 do
      for j = 1, 3 do
        assert.near(want[i][j], gram[i][j], 1e-5 * math.abs(want[i][j]) + 1e-9)
      end
    end
    local moved, third = 0, core.products(rows[3], rows[3])[2][2]
    for i, p in ipairs(after:parameters()) do
      if p.name:find "^trunk" then
        moved = moved + ((before:parameters()[i].tensor - p.tensor) / 0.5):square():sum():item()
      end
    end
    assert.near(third, moved, 1e-4 * third)
  end)

  it("may lack labels", function()
    local height = core.full({ 400 }, 0 / 0)
    height:slice(1, 1, 20):fill_(0.5)
    local _, summary = train(function(r)
      r.data.targets.height, r.data.batch, r.ends = height, 4, mtl.when.epochs(1)
      for _, name in ipairs { "side", "ring" } do -- a row in twenty has labels
        local target = r.data.targets[name]:clone()
        for k = 1, 400 do
          if k % 20 ~= 0 then target[k]:fill_(-1) end
        end
        r.data.targets[name] = target
      end
      r.policy = mtl.policy.modo()
    end)
    assert.is_true(summary.steps > 20)
  end)
end)

describe("on three batches", function()
  it("the Gramian is of the first two, the step of the third", function()
    local grams, steps = {}, 0
    local three = mtl.policy.define { name = "spec_three", needs = "gram", heads = "unit", batches = 3,
      weights = function(_, ctx)
        grams[#grams + 1], steps = ctx.gram, steps + 1
        return { 1, 0, 0 }
      end }
    local function all_rows(r) r.data.batch = 400 end -- every batch is the training split
    local moved = moves(three(), all_rows)
    local own
    moves(mtl.policy.custom(function(ctx)
      own = ctx.gram
      return { 1, 1, 1 }
    end, { needs = "gram" }), all_rows)
    for i = 1, 3 do
      for j = 1, 3 do
        assert.near(own[i][j], grams[1][i][j], 1e-4 * math.sqrt(own[i][i] * own[j][j]))
      end
    end
    local alone = moves(mtl.policy.fixed { side = 1, ring = 0, height = 0 }, all_rows)
    near(moved["trunk.0.weight"], alone["trunk.0.weight"], 1e-5)
    steps = 0
    local out = train(function(r) -- 20 batches an epoch: six steps
      r.policy, r.data.batch, r.ends = three(), 16, mtl.when.epochs(2)
    end)
    assert.equal(12, steps)
    assert.equal(12, support.records(out, "step")[12].step)
    local other = 0
    for i = 1, 3 do
      for j = 1, 3 do
        other = other + math.abs(grams[#grams][i][j] - grams[#grams][j][i])
      end
    end
    assert.is_true(other > 0) -- of two batches: not symmetric
  end)
end)

describe("imtl", function()
  it("keeps imtl_g's weights for `every` steps", function()
    local function seen(every)
      local out = train(function(r)
        r.policy, r.ends = mtl.policy.imtl { every = every, lr = 1e-12 }, mtl.when.steps(5)
      end)
      local ratios = {}
      for i, record in ipairs(support.records(out, "step")) do
        ratios[i] = record.tasks.side.weight / record.tasks.ring.weight
      end
      return ratios
    end
    local one, four = seen(1), seen(4)
    for i = 1, 4 do
      assert.near(one[1], four[i], 1e-9 * one[1])
    end
    assert.is_true(math.abs(one[4] / one[1] - 1) > 1e-4 and math.abs(four[5] / four[4] - 1) > 1e-4)
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
