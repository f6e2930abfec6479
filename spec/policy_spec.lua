-- What holds for every policy, and the small ones.
local core = require "mtl.core"
local losses = require "mtl.loss"
local policy = require "mtl.policy"

local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

-- How each policy that needs options is made.
local examples = {
  fixed = function() return policy.fixed { a = 1, b = 0.5 } end,
  custom = function() return policy.custom(function() return { 1, 2 } end) end,
  crmogm = function() return policy.crmogm { policy.dwa() } end,
}

local function example(name)
  return (examples[name] or policy[name])()
end

describe("every policy", function()
  for _, name in ipairs(policy.names()) do
    describe(name, function()
      it("is a declaration that prints itself", function()
        local p = example(name)
        assert.equal("policy", p.kind)
        assert.equal(name, p.type)
        assert.matches("policy." .. name, tostring(p), 1, true)
      end)

      it("says what it needs", function()
        local p = example(name)
        local needs = { loss = true, gram = true, slice_gram = true, rows = true }
        assert.is_true(needs[p.needs])
        assert.is_true(p.heads == "weighted" or p.heads == "unit")
        assert.is_number(p.batches)
        assert.is_boolean(p.soft)
        assert.is_boolean(p.positive)
      end)

      it("has state of its own in every instance", function()
        local p = example(name)
        local a, b = p:new(), p:new()
        assert.are_not.equal(a.state, b.state)
        a.state.x = 1
        assert.is_nil(b.state.x)
        assert.is_nil(p.state.x)
      end)

      it("gives a finite weight to each task", function()
        local p = example(name)
        if p.needs == "loss" then
          local w = p:weights { tasks = { "a", "b" }, index = { 1, 2 }, losses = { 1, 2 }, kpis = { 0.5, 0.2 },
            kpis_ema = { 0.5, 0.2 }, learned_values = { 0, 0 }, step = 1, epoch = 1, stage = "s" }
          assert.equal(2, #w)
          for _, x in ipairs(w) do
            assert.is_true(x == x and math.abs(x) < math.huge)
          end
        end
      end)
    end)
  end
end)

describe("policy", function()
  it("offers the nearest name", function()
    assert.matches("there is no policy 'focl'; did you mean 'focal'?", message(function()
      return policy.focl
    end), 1, true)
    assert.matches("policy_spec.lua:%d+:", message(function()
      return (policy.focal { gama = 1 })
    end))
  end)

  it("takes definitions of one's own, but not in place of mtl's", function()
    local params = { k = { default = 3, type = "size" } }
    local mine = policy.define { name = "mine", params = params, weights = function(self)
      return { self.k }
    end }
    assert.same({ 3 }, mine():weights {})
    assert.same({ 4 }, policy.mine({ k = 4 }):weights {})
    assert.matches("already", message(policy.define, { name = "focal", weights = function() end }))
  end)
end)

describe("policy.uniform", function()
  it("weighs 1, or 1/T", function()
    assert.same({ 1, 1, 1 }, policy.uniform():weights { losses = { 1, 2, 3 } })
    assert.same({ 0.25, 0.25, 0.25, 0.25 }, policy.uniform({ mean = true }):weights { losses = { 1, 2, 3, 4 } })
  end)
end)

describe("policy.fixed", function()
  it("weighs as it is told, by name", function()
    local p = policy.fixed { left = 1, right = 0.5 }
    assert.same({ 0.5, 1 }, p:weights { tasks = { "right", "left" } })
    assert.has_error(function() p:weights { tasks = { "middle" } } end)
  end)

  it("refuses unknown and missing tasks, and negative weights", function()
    local tasks = { { name = "left", loss = losses.mse() }, { name = "right", loss = losses.mse() } }
    local known = { left = true, right = true }
    assert.is_nil(policy.check(policy.fixed { left = 1, right = 0 }, tasks, known))
    assert.matches("no weight for task 'right'", policy.check(policy.fixed { left = 1 }, tasks, known))
    assert.matches("did you mean 'left'", policy.check(policy.fixed { lft = 1, right = 1 }, tasks, known))
    assert.has_error(function() policy.fixed { left = -1 } end)
    assert.has_error(function() policy.fixed {} end)
  end)
end)

describe("policy.custom", function()
  it("takes weights by position or by name", function()
    local ctx = { tasks = { "a", "b" }, losses = { 1, 2 } }
    assert.same({ 2, 1 }, policy.custom(function() return { 2, 1 } end):weights(ctx))
    assert.same({ 3, 4 }, policy.custom(function() return { b = 4, a = 3 } end):weights(ctx))
    assert.equal("gram", policy.custom(function() end, { needs = "gram" }).needs)
  end)

  it("keeps state, and says what is missing", function()
    local p = policy.custom(function(_, state)
      state.n = (state.n or 0) + 1
      return { state.n }
    end)
    local ctx = { tasks = { "a" } }
    p:weights(ctx)
    assert.same({ 2 }, p:weights(ctx))
    assert.same({ 1 }, p:new():weights(ctx))
    assert.matches("no number for task 'a'", message(function()
      policy.custom(function() return {} end):weights(ctx)
    end))
    assert.matches("returned nil", message(function()
      policy.custom(function() end):weights(ctx)
    end))
    assert.matches("needs is 'grams'", message(policy.custom, function() end, { needs = "grams" }))
  end)
end)

describe("policy.uncertainty", function()
  local function prepared()
    local p = policy.uncertainty():new()
    p:prepare { { name = "class", loss = losses.cross_entropy() }, { name = "square", loss = losses.huber() },
      { name = "absolute", loss = losses.l1() } }
    return p
  end

  it("takes the form of each task's loss", function()
    local p, s = prepared(), { 0.3, -0.2, 0.5 }
    local learned = core.tensor(s):requires_grad(true)
    local loss = { 2, 3, 4 }
    local tensors = { core.full({}, 2), core.full({}, 3), core.full({}, 4) }
    local ctx = { tasks = { "class", "square", "absolute" }, index = { 1, 2, 3 }, loss_tensors = tensors, losses = loss,
      learned = learned, learned_values = s }
    local total = p:total(ctx)
    local expected = 2 * math.exp(-0.3) + 0.15 + 3 * math.exp(0.2) / 2 - 0.1 + 4 * math.exp(-0.5) + 0.5
    assert.near(expected, total:item(), 1e-5)
    local w = p:weights(ctx)
    assert.near(math.exp(-0.3), w[1], 1e-12)
    assert.near(math.exp(0.2) / 2, w[2], 1e-12)
    assert.near(math.exp(-0.5), w[3], 1e-12)
    total:backward()
    local grad = learned:grad():totable()
    assert.near(0.5 - 2 * math.exp(-0.3), grad[1], 1e-5)
    assert.near(0.5 - 1.5 * math.exp(0.2), grad[2], 1e-5)
    assert.near(1 - 4 * math.exp(-0.5), grad[3], 1e-5)
  end)

  it("leaves tasks that are not in the step alone", function()
    local p = prepared()
    local learned = core.zeros(3):requires_grad(true)
    local total = p:total { tasks = { "absolute" }, index = { 3 }, loss_tensors = { core.full({}, 4) },
      learned = learned }
    assert.near(4, total:item(), 1e-6)
    total:backward()
    assert.same({ 0, 0, -3 }, learned:grad():totable())
    assert.same({ 0, 0, 0 }, p:learned(3))
  end)

  it("takes forms by task, and refuses losses below 0", function()
    local p = policy.uncertainty { forms = { a = "squared" } }
    assert.same({ 0.5, 1 }, p:weights { tasks = { "a", "b" }, index = { 1, 2 }, learned_values = { 0, 0 } })
    assert.has_error(function() policy.uncertainty { forms = { a = "square" } } end)
    local task = { name = "a", loss = losses.custom(function() end, { negative = true }) }
    assert.matches("may be negative", policy.check(p, { task }, { a = true }))
  end)
end)
