-- Policies on losses and KPIs, and GradNorm: numbers worked by hand from the papers' formulas, then what holds for all.
local core = require "mtl.core"
local losses = require "mtl.loss"
local mtl = require "mtl"
local policy = require "mtl.policy"
local support = dofile "spec/support/training.lua"
local trainer = require "mtl.trainer"

local function near(expected, actual, tolerance)
  assert.equal(#expected, #actual)
  for i = 1, #expected do
    assert.near(expected[i], actual[i], tolerance or 1e-6)
  end
end

describe("policy.fmtl", function()
  it("weighs in proportion to (1 - k)^gamma", function()
    near({ 0.81 / 1.07, 0.25 / 1.07, 0.01 / 1.07 }, policy.fmtl():weights { kpis_ema = { 0.1, 0.5, 0.9 } })
    near({ 0.75, 0.25 }, policy.fmtl({ gamma = 1 }):weights { kpis_ema = { 0.4, 0.8 } })
    near({ 0.8, 0.2 }, policy.fmtl():weights { tasks = { "a", "b" }, kpis_ema = { nil, 0.5 } }) -- none yet: as 0
    near({ 0.5, 0.5 }, policy.fmtl():weights { kpis_ema = { 1, 1 } })
  end)
end)

describe("policy.amtl", function()
  it("weighs by the distance from each task's potential", function()
    local options = { potential = { a = 0.5 }, m = 0, mean = "arithmetic" }
    local ctx = { tasks = { "a", "b" }, kpis_ema = { 0.4, 0.9 }, losses = { 1, 32 } } -- (1 - 0.8)^2, (1 - 0.9)^2
    near({ 0.8, 0.2 }, policy.amtl(options):weights(ctx))
    options.f = 1
    near({ 2 / 3, 1 / 3 }, policy.amtl(options):weights(ctx))
    local p = policy.amtl { potential = 0.8, m = 0.25, mean = "arithmetic" } -- 0.8 x 1.25 = 1
    near({ 0.25 / 0.26, 0.01 / 0.26 }, p:weights { kpis_ema = { 0.5, 0.9 } })
  end)

  it("takes the gradient of the weighted geometric mean", function()
    local ctx = { tasks = { "a", "b" }, kpis_ema = { 0.4, 0.9 }, losses = { 1, 32 } } -- 1^0.8 x 32^0.2 = 2
    near({ 0.8 * 2, 0.2 * 2 / 32 }, policy.amtl({ potential = { a = 0.5 }, m = 0 }):weights(ctx))
  end)

  it("is never below 0, and even where all have arrived", function()
    local p = policy.amtl { potential = 0.9, mean = "arithmetic" } -- 0.945 with the margin
    near({ 0, 1 }, p:weights { kpis_ema = { 0.99, 0.5 } })
    near({ 0.5, 0.5 }, p:weights { kpis_ema = { 0.99, 0.96 } })
  end)

  it("checks its options", function()
    assert.has_error(function() policy.amtl { potential = 0 } end)
    assert.has_error(function() policy.amtl { mean = "harmonic" } end)
    local tasks, known = { { name = "left", loss = losses.mse() } }, { left = true }
    assert.matches("did you mean 'left'", policy.check(policy.amtl { potential = { lft = 1 } }, tasks, known))
  end)
end)

describe("policy.dwa", function()
  it("weighs by the ratio of the last two epochs' means", function()
    local p = policy.dwa():new()
    near({ 1, 1 }, p:weights { losses = { 3, 2 }, epoch = 1 })
    near({ 1, 1 }, p:weights { losses = { 5, 2 }, epoch = 1 }) -- means 4, 2
    near({ 1, 1 }, p:weights { losses = { 2, 2 }, epoch = 2 })
    -- r = 0.5, 1: softmax of 0.25, 0.5
    local e = math.exp(0.25)
    near({ 2 / (1 + e), 2 * e / (1 + e) }, p:weights { losses = { 7, 7 }, epoch = 3 })
    near({ 0.875647, 1.124353 }, p:weights { losses = { 1, 1 }, epoch = 3 })
    -- r = 4 / 2, 4 / 2
    near({ 1, 1 }, p:weights { losses = { 1, 1 }, epoch = 4 })
  end)

  it("has a temperature, and starts with a task", function()
    local p, tasks = policy.dwa({ temperature = 0.5 }):new(), { "a", "b" }
    p:weights { tasks = tasks, losses = { 4, 2 }, epoch = 1, since = { 0, 0 } }
    p:weights { tasks = tasks, losses = { 2, 2 }, epoch = 2, since = { 1, 1 } }
    local e = math.exp(1)
    near({ 2 / (1 + e), 2 * e / (1 + e), 1 }, p:weights { tasks = { "a", "b", "c" }, losses = { 1, 3, 1 }, epoch = 3,
      since = { 2, 2, 0 } })
    near({ 1, 1 }, p:weights { tasks = tasks, losses = { 1, 1 }, epoch = 4, since = { 0, 3 } }) -- a has left and come
  end)
end)

describe("policy.rlw", function()
  it("is the softmax of normal numbers, or even over the simplex", function()
    local function given(options)
      local p = policy.rlw(options):new()
      p.draws = function() return { math.exp(-2), 0, math.exp(-0.5), 0.5 } end -- normal numbers 2 and -1
      return p:weights { losses = { 1, 1 } }
    end
    near({ 1 / (1 + math.exp(-3)), 1 / (1 + math.exp(3)) }, given {})
    near({ 0.8, 0.2 }, given { dirichlet = true }) -- exponential numbers 2 and 0.5
  end)

  it("has the distribution that it should, from the stream of its step", function()
    local low, high = 0, 0
    local p, even = policy.rlw():new(), policy.rlw({ dirichlet = true }):new()
    for k = 1, 2000 do
      local w = p:weights { losses = { 1, 1 }, step = k }
      high = high + (w[1] > 1 / (1 + math.exp(-1)) and 1 or 0) -- the difference of two normal numbers is above 1
      low = low + (even:weights({ losses = { 1, 1 }, step = k })[1] < 0.25 and 1 or 0)
      assert.near(1, w[1] + w[2], 1e-12)
    end
    assert.near(0.2398, high / 2000, 0.04)
    assert.near(0.25, low / 2000, 0.04)
    local a, b = policy.rlw():new(), policy.rlw():new()
    assert.same(a:weights { losses = { 1, 1 }, step = 7 }, b:weights { losses = { 5, 6 }, step = 7 })
  end)
end)

describe("policy.gls and policy.scale_invariant", function()
  it("weigh by the geometric mean, and by 1 / L", function()
    near({ 1, 0.25 }, policy.gls():weights { losses = { 1, 4 } })
    near({ 2 / 24, 2 / 3, 2 / 3 }, policy.gls():weights { losses = { 8, 1, 1 } })
    near({ 5000, 5e-5 }, policy.gls():weights { losses = { 0, 1 } }, 1e-3)
    near({ 0.5, 2, 1e8 }, policy.scale_invariant():weights { losses = { 2, 0.5, 0 } }, 1e-5)
  end)
end)

describe("policy.imtl_l", function()
  it("learns s by e^s L - s", function()
    local p, s = policy.imtl_l(), { 0, math.log(2), -math.log(4) }
    near({ 1, 2, 0.25 }, p:weights { losses = { 1, 1, 1 }, learned_values = s })
    near({ 0.25, 1 }, p:weights { tasks = { "c", "a" }, index = { 3, 1 }, learned_values = s })
    assert.same({ 0, 0 }, p:learned(2))
    local learned = core.tensor(s):requires_grad(true)
    local total = p:total { index = { 2, 3 }, loss_tensors = { core.full({}, 3), core.full({}, 8) }, learned = learned }
    assert.near(2 * 3 - math.log(2) + 8 / 4 + math.log(4), total:item(), 1e-5)
    total:backward()
    near({ 0, 2 * 3 - 1, 8 / 4 - 1 }, learned:grad():totable(), 1e-5)
  end)
end)

describe("policy.stch", function()
  local function warmed(options)
    local p, tasks = policy.stch(options):new(), { "a", "b" }
    near({ 0.5, 0.25 }, p:weights { tasks = tasks, losses = { 2, 4 }, epoch = 1 })
    near({ 1, 0.25 }, p:weights { tasks = tasks, losses = { 1, 4 }, epoch = 2 })
    near({ 1 / 3, 0.5 }, p:weights { tasks = tasks, losses = { 3, 2 }, epoch = 2 }) -- nadir: 2, 3
    return p
  end

  it("weighs by the softmax of log (L / nadir)", function()
    local ctx = { tasks = { "a", "b" }, losses = { 1, 3 }, epoch = 3 } -- L / nadir: 0.5, 1
    near({ 2 / 3, 4 / 9 }, warmed({ warmup_epochs = 2 }):weights(ctx))
    near({ 0.4, 1.6 / 3 }, warmed({ warmup_epochs = 2, mu = 0.5 }):weights(ctx))
    near({ 1, 1 / 3 }, warmed({ warmup_epochs = 2, pref = { a = 2 } }):weights(ctx))
  end)

  it("keeps its nadir, warms a newcomer, and is the gradient of its total", function()
    local p, L = warmed { warmup_epochs = 2, mu = 0.7 }, { 0.8, 2.5 }
    p:weights { tasks = { "a", "b" }, losses = { 9, 9 }, epoch = 3 }
    local function total(a, b) return 2 * 0.7 * math.log((a / 2) ^ (1 / 0.7) + (b / 3) ^ (1 / 0.7)) end
    local w = p:weights { tasks = { "a", "b", "c" }, losses = { L[1], L[2], 4 }, epoch = 9, since = { 4, 4, 0 } }
    local h = 1e-5
    near({ (total(L[1] + h, L[2]) - total(L[1] - h, L[2])) / 2 / h,
      (total(L[1], L[2] + h) - total(L[1], L[2] - h)) / 2 / h, 0.25 }, w)
  end)
end)

describe("policy.famo", function()
  it("learns which tasks improve, with Adam", function()
    local p = policy.famo():new()
    near({ 0.75, 0.25 }, p:weights { losses = { 1, 3 } }) -- 1/1, 1/3
    -- delta = log 2, 0: slopes 0.5 (log 2 - log 2 / 2) and its negative; Adam's first step is its rate
    p:after_step { losses = { 1, 3 }, losses_after = { 0.5, 3 } }
    near({ 1 / (1 + math.exp(0.05)), 1 / (1 + math.exp(-0.05)) }, p:weights { losses = { 1, 1 } })
    -- nothing has moved: the slope is the decay alone
    p:after_step { losses = { 1, 1 }, losses_after = { 1, 1 } }
    local g1, g2 = math.log(2) / 4, -1e-3 * 0.025
    local m, v = (0.09 * g1 + 0.1 * g2) / 0.19, (0.999e-3 * g1 ^ 2 + 1e-3 * g2 ^ 2) / (1 - 0.999 ^ 2)
    assert.near(-0.025 - 0.025 * m / math.sqrt(v), p.state.tasks["1"].x, 1e-8)
  end)

  it("takes the least value of losses that may be negative", function()
    local p = policy.famo { min = { a = -1 } }
    near({ 2 / 3, 1 / 3 }, p:weights { tasks = { "a", "b" }, losses = { 0, 2 } }) -- D = 1, 2
    near({ 0.5, 0.5 }, policy.famo({ min = -3 }):weights { losses = { -1, -1 } })
    near({ 1, 1e-8 }, policy.famo({ min = 1 }):weights { losses = { 0.5, 2 } }) -- below it: as at it
    local negative = losses.custom(function() end, { negative = true })
    local known = { a = true, b = true }
    local tasks = { { name = "a", loss = negative }, { name = "b", loss = losses.mse() } }
    assert.is_nil(policy.check(p, tasks, known))
    assert.matches("may be negative", policy.check(policy.famo(), tasks, known))
    assert.matches("no number for task 'a'", policy.check(policy.famo { min = { b = 0 } }, tasks, known))
    assert.is_true(p.wants_after)
  end)
end)

describe("policy.gradnorm", function()
  local gram = { { 4, 0 }, { 0, 1 } } -- lengths 2, 1

  it("brings lengths to their targets, with Adam", function()
    local p = policy.gradnorm():new()
    near({ 1, 1 }, p:weights { losses = { 1, 1 }, gram = gram }) -- slopes 2, -1
    -- G = 1.95, 1.025, mean 1.4875; r = 1.25, 0.75: targets 2.079, 0.966: slopes -2, 1
    near({ 0.975, 1.025 }, p:weights { losses = { 1, 0.6 }, gram = gram })
    local down = 0.025 * (0.02 / 0.19) / 2 -- m = -0.02, v = 0.004 x 1.999, both corrected
    near({ 0.975 + down, 1.025 - down }, p:weights { losses = { 1, 1 }, gram = gram })
    assert.equal("last_shared", p.at)
  end)

  it("is brought back to the sum T after each step", function()
    local p, ctx = policy.gradnorm():new(), { losses = { 1, 1, 1 }, gram = { { 4, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } } }
    local back, a, b = 3 / 3.025, 1, 1
    for _ = 1, 3 do -- G - mean G is above, below, below 0 each time, and Adam's step under one slope is its rate
      near({ a, b, b }, p:weights(ctx))
      a, b = (a - 0.025) * back, (b + 0.025) * back
    end
  end)

  it("leaves lengths alone that are right, and sums to the tasks of the step", function()
    local p = policy.gradnorm({ alpha = 0 }):new()
    for _ = 1, 3 do
      near({ 1, 1 }, p:weights { losses = { 3, 5 }, gram = { { 9, 1 }, { 1, 9 } } })
    end
    p:weights { tasks = { "a", "b" }, losses = { 1, 1 }, gram = gram, since = { 0, 0 } }
    near({ 2.925 / 3, 3.075 / 3, 1 }, p:weights { tasks = { "a", "b", "c" }, losses = { 1, 1, 1 },
      gram = { { 4, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } }, since = { 1, 1, 0 } })
    near({ 1 }, p:weights { tasks = { "b" }, losses = { 1 }, gram = { { 1 } }, since = { 2 } })
  end)

  it("does as LibMTL", function()
    local p = policy.gradnorm({ libmtl = true }):new()
    near({ 1, 1 }, p:weights { losses = { 1, 4 }, gram = gram, epoch = 1 })
    near({ 1, 1 }, p:weights { losses = { 3, 2 }, gram = gram, epoch = 1 }) -- means 2, 3
    near({ 1, 1 }, p:weights { losses = { 2, 3 }, gram = gram, epoch = 2 }) -- slopes of v: 2 - 0.5, -1 - 0.5
    local w = p:weights { losses = { 2, 1.8 }, gram = gram, epoch = 2 }
    local w1, w2 = 2 / (1 + math.exp(0.05)), 2 / (1 + math.exp(-0.05))
    near({ w1, w2 }, w)
    local g1, g2 = 1.5, w1 * (-2 - (w1 * -2 + w2 * 1) / 2) -- slopes -2 and 1 now; those of the other task: -g
    local m, v = (0.09 * g1 + 0.1 * g2) / 0.19, (0.999e-3 * g1 ^ 2 + 1e-3 * g2 ^ 2) / (1 - 0.999 ^ 2)
    local x = 0.05 + 2 * 0.025 * m / math.sqrt(v)
    near({ 2 / (1 + math.exp(x)), 2 / (1 + math.exp(-x)) }, p:weights { losses = { 1, 1 }, gram = gram, epoch = 2 })
    assert.equal("shared", p.at)
  end)
end)

-- How each policy that needs options is made.
local examples = {
  fixed = function() return policy.fixed { a = 1, b = 0.5, c = 2 } end,
  custom = function() return policy.custom(function(ctx) return ctx.losses end) end,
  stch = function() return policy.stch { warmup_epochs = 2 } end,
}

local values = { losses = { 0.7, 2, 5 }, kpis_ema = { 0.8, 0.3, 0.5 }, learned_values = { 0.1, -0.2, 0.3 } }

-- Step k (two an epoch) with tasks in some order; losses fall, each at its own rate. `given`: losses in their place.
local function context(k, order, given)
  local ctx = { tasks = {}, index = {}, losses = {}, losses_after = {}, kpis_ema = {}, since = {},
    learned_values = values.learned_values, step = k, epoch = (k + 1) // 2, stage = "s", gram = {} }
  for i, at in ipairs(order) do
    ctx.tasks[i], ctx.index[i], ctx.since[i] = ("abc"):sub(at, at), at, k - 1
    ctx.losses[i] = given and given[at] or values.losses[at] * (1 - 0.1 * at) ^ k
    ctx.losses_after[i], ctx.kpis_ema[i] = ctx.losses[i] * (1 - 0.1 * at), values.kpis_ema[at]
    ctx.gram[i] = {}
    for j in ipairs(order) do
      ctx.gram[i][j] = i == j and at ^ 2 or 0
    end
  end
  return ctx
end

local function walk(p, order, from, to, given)
  local w
  for k = from, to do
    local ctx = context(k, order, given)
    w = p:weights(ctx)
    if p.after_step then
      p:after_step(ctx)
    end
    for i = 1, #order do
      assert.is_true(w[i] == w[i] and math.abs(w[i]) < math.huge)
    end
  end
  return w
end

describe("every policy on losses", function()
  for _, name in ipairs(policy.names()) do
    local p = (examples[name] or function() return policy[name]() end)
    local kind = name ~= "crmogm" and p()
    if kind and (kind.needs == "loss" or name == "gradnorm") then
      it(name .. ": one task, any order, extreme losses, its state as JSON", function()
        for at = 1, 3 do
          assert.is_true(walk(p():new(), { at }, 1, 7)[1] > 0)
        end
        local w, other = walk(p():new(), { 1, 2, 3 }, 1, 7), walk(p():new(), { 3, 1, 2 }, 1, 7)
        if name ~= "rlw" then -- its numbers are drawn by place
          near({ w[3], w[1], w[2] }, other, 1e-9)
        end
        walk(p():new(), { 1, 2, 3 }, 1, 9, { 0, 1e-30, 1e30 })
        walk(p():new(), { 1, 2, 3 }, 1, 9, { 1e30, 0, 0 })
        local one, two = p():new(), p():new()
        walk(one, { 1, 2, 3 }, 1, 6)
        two.state = core.json_decode(core.json_encode(one.state))
        assert.same(walk(one, { 1, 2, 3 }, 7, 9), walk(two, { 1, 2, 3 }, 7, 9))
      end)

      it(name .. ": called by hand, without tasks", function()
        local ctx = { losses = { 1, 2 }, kpis_ema = { 0.3, 0.5 }, gram = { { 1, 0 }, { 0, 1 } } }
        assert.equal(2, name == "fixed" and 2 or #p():weights(ctx)) -- fixed goes by names
      end)
    end
  end

  it("refuses losses that may be negative, where it should", function()
    local task = { name = "a", loss = losses.custom(function() end, { negative = true }) }
    for _, name in ipairs { "dwa", "gls", "scale_invariant", "imtl_l", "stch", "gradnorm", "famo", "amtl" } do
      assert.matches("may be negative", policy.check(policy[name](), { task }, { a = true }))
    end
    for _, p in ipairs { policy.rlw(), policy.fmtl(), policy.amtl { mean = "arithmetic" }, policy.famo { min = -1 } } do
      assert.is_nil(policy.check(p, { task }, { a = true }))
    end
  end)
end)

describe("a training under", function()
  local base
  setup(function() base = support.folder() end)
  teardown(function() support.remove(base) end)

  for _, name in ipairs { "fmtl", "amtl", "dwa", "rlw", "gls", "scale_invariant", "imtl_l", "stch", "famo",
    "gradnorm" } do
    it(name .. " goes on to the same bits, and logs what multiplies each loss", function()
      local function change(t)
        t.log_every, t.stages[2].ends = 1, mtl.when.epochs(4)
        t.stages[2].policy = name == "stch" and mtl.policy.stch { warmup_epochs = 2 } or mtl.policy[name]()
      end
      local whole, cut = base .. "/" .. name, base .. "/" .. name .. "-cut"
      trainer.train(support.recipe(change), { out = whole })
      trainer.train(support.recipe(change), { out = cut, max_steps = 17 }) -- within the stage's third epoch
      trainer.train(support.recipe(change), { out = cut, resume = true })
      local tensors, log = support.content(whole)
      local tensors2, log2 = support.content(cut)
      assert.is_true(tensors == tensors2)
      assert.equal(log, log2)
      for _, record in ipairs(support.records(whole, "step")) do
        local product, n = 1, 0
        for _, task in pairs(record.stage == "all" and record.tasks or {}) do
          product, n = product * task.loss, n + 1
          if name == "scale_invariant" then
            assert.near(1, task.weight * task.loss, 1e-5)
          end
        end
        if name == "gls" and n > 0 then -- sum of weight x loss: the total
          assert.near(product ^ (1 / n), record.loss, 1e-5)
        end
      end
    end)
  end
end)
