-- What the trainer reads from a device, and when. On the CPU nothing waits; these hold there too.
local core = require "mtl.core"
local evaluate = require "mtl.evaluate"
local mtl = require "mtl"
local support = dofile "spec/support/training.lua"
local trainer = require "mtl.trainer"

local device = os.getenv "MTL_DEVICE" or "cpu"
local base, count = nil, 0

local function there(t)
  return t:to(device)
end

local function train(change, options)
  count = count + 1
  options = options or {}
  options.out = base .. "/run" .. count
  trainer.train(support.recipe(change), options)
  return options.out
end

setup(function() base = support.folder() end)
teardown(function() support.remove(base) end)

describe("a survey", function()
  it("counts what is missing and 0, and knows the bounds", function()
    local x = there(mtl.tensor { 0 / 0, 0, -3, 2.5, 0 })
    assert.same({ 1, 2, -3, 2.5 }, { x:survey() })
    assert.same({ 2, 1, -4, 7 }, { there(mtl.tensor({ -1, 0, -4, 7 }, "int32")):survey() })
    assert.same({ 0, 1, 0, 255 }, { there(mtl.tensor({ 0, 255 }, "uint8")):survey() })
    assert.same({ 0, 0, math.huge, -math.huge }, { there(mtl.zeros(0)):survey() })
    assert.same({ 2, 0, math.huge, -math.huge }, { there(mtl.tensor { 0 / 0, 0 / 0 }):survey() })
  end)

  it("is made anew after a write, also through a view", function()
    local x = there(mtl.tensor { { 1, 2 }, { 3, 4 } })
    assert.same({ 0, 0, 1, 4 }, { x:survey() })
    x[2]:fill_(0)
    assert.same({ 0, 2, 0, 2 }, { x:survey() })
    x:copy_(there(mtl.tensor { { 0 / 0, 1 }, { 1, 1 } }))
    assert.same({ 1, 0, 1, 1 }, { x:survey() })
  end)

  it("goes along to another device, which is then not asked", function()
    local x = mtl.tensor { 1, 0 / 0 }
    x:survey()
    local y, before = there(x), core.waits()
    assert.same({ 1, 0, 1, 1 }, { y:survey() })
    assert.equal(before, core.waits())
  end)
end)

describe("later", function()
  local function value(x)
    return type(x) == "table" and x or x()
  end

  it("gives the numbers as they were", function()
    local x = there(mtl.tensor { { 1, 2 }, { 3, 4 } })
    local one, before = core.later(x, there(mtl.tensor(5))), core.waits()
    x:fill_(9)
    local two = core.later(x[1])
    assert.equal(before, core.waits())
    assert.same({ 1, 2, 3, 4, 5 }, value(one))
    assert.same({ 9, 9 }, value(two)) -- came with the first
    assert.is_true(core.waits() <= before + 1)
    assert.same({ 1, 2, 3, 4, 5 }, value(one))
  end)

  it("holds more than a block of them", function()
    local list = {}
    for i = 1, 300 do
      list[i] = core.later(there(mtl.full({ 50 }, i)))
    end
    local large = core.later(there(mtl.arange(10000)))
    for i = 1, 300 do
      assert.same({ i, i, 50 }, { value(list[i])[1], value(list[i])[50], #value(list[i]) })
    end
    assert.equal(9999, value(large)[10000])
  end)

  it("is of floats", function()
    assert.has_error(function() core.later(there(mtl.tensor({ 1 }, "int32"))) end,
      "later: int32, which should be float32")
    assert.has_error(function() core.later() end, "later: no tensor")
  end)
end)

describe("training", function()
  -- How often the host has waited before each step's end, by step.
  local function waits(policy, clip)
    local list, before = {}, nil
    local out = train(function(t)
      t.log_every, t.stages, t.clip = 10, nil, clip
      t.policy, t.ends = policy, mtl.when.steps(60)
    end, { progress = { step = function(_, record)
      list[record.step] = before and core.waits() - before or nil
      before = core.waits()
    end } })
    return list, out
  end

  for name, policy in pairs {
    uniform = mtl.policy.uniform(), uncertainty = mtl.policy.uncertainty(),
    fixed = mtl.policy.fixed { side = 1, ring = 2, height = 0.5 },
  } do
    it("waits for a device where it logs only: " .. name, function()
      for step, n in pairs((waits(policy))) do -- 5 steps an epoch, whose first and last are logged
        assert.equal(step % 5 <= 1 and device ~= "cpu", n > 0)
      end
    end)
  end

  it("does not wait for the norm that is clipped", function()
    for step, n in pairs((waits(mtl.policy.uniform(), 0.1))) do
      assert.equal(step % 5 <= 1 and device ~= "cpu", n > 0)
    end
  end)

  for name, policy in pairs {
    ["for the Gramian"] = mtl.policy.pcgrad(), ["for KPIs"] = mtl.policy.focal(), ["for losses"] = mtl.policy.gls(),
    ["for soft KPIs"] = mtl.policy.focal { through_kpi = true },
    ["for a Gramian, though what it mixes is clipped"] = mtl.policy.nash_mtl(),
  } do
    it("waits once " .. name, function()
      for step, n in pairs((waits(policy))) do
        if step % 5 > 1 then
          assert.equal(device == "cpu" and 0 or 1, n)
        end
      end
    end)
  end

  it("waits in an evaluation for its end only", function()
    local before, after
    local _, t = trainer.train(support.recipe(function(r)
      r.stages, r.ends = nil, mtl.when.steps(2)
    end), { out = base .. "/evaluated" })
    before = core.waits()
    evaluate.run(t, "train", { 1, 2, 3 }, 1)
    after = core.waits() - before
    before = core.waits()
    evaluate.run(t, "train", { 1, 2, 3 }) -- five batches
    assert.equal(after, core.waits() - before)
  end)

  it("reads meters that hold many elements sooner", function()
    local methods = getmetatable(mtl.kpi.roc_auc()).__index
    local was, held, read, bytes, before = methods.holds, 0, {}, {}, nil
    function methods.holds(self)
      held = math.max(held, was(self))
      return 1 << 21
    end
    finally(function() methods.holds = was end)
    train(function(r)
      r.log_every, r.stages, r.data = 1000, nil, mtl.data.tensors { inputs = mtl.randn(2000, 2),
        targets = { yes = (mtl.rand(2000) * 2):cast "int32" }, batch = 100, split = { 1 } }
      r.tasks = { { name = "yes", head = mtl.nn.linear(16, 1), loss = mtl.loss.binary_cross_entropy(),
        kpi = mtl.kpi.roc_auc() } }
      r.policy, r.ends = mtl.policy.uniform(), mtl.when.steps(20)
    end, { progress = { step = function(_, record)
      read[record.step] = before and core.waits() > before
      before = core.waits()
      collectgarbage()
      bytes[record.step] = core.memory().bytes
    end } })
    assert.equal(100, held)
    for step = 2, 19 do -- the first is logged
      assert.equal(device ~= "cpu" and step % 3 == 1, read[step], "step " .. step)
    end
    assert.near(bytes[10], bytes[16], 400) -- what was read is let go: a step has 100 scores
  end)

  it("says of a step without labels what it was, not an earlier step", function()
    local made = 0
    local out = train(function(r)
      r.log_every, r.stages, r.policy, r.ends = 1000, nil, mtl.policy.uniform(), mtl.when.steps(5)
      for _, task in ipairs(r.tasks) do
        task.loss, task.kpi = mtl.loss.custom(function(pred)
          made = made + 1
          return pred:square():mean(), made > 6 and 0 or 1 -- labels in the first two steps, of which one is logged
        end), mtl.kpi.custom(function() return 0.5 end)
      end
    end, { max_steps = 3 })
    local steps = support.records(out, "step")
    assert.same({ 1, 3 }, { steps[1].step, steps[2].step })
    assert.truthy(next(steps[1].tasks))
    assert.is_nil(next(steps[2].tasks))
  end)

  it("gives the same numbers whenever they are read", function()
    for _, policy in ipairs { "uniform", "uncertainty", "pcgrad", "rlw" } do
      local function steps(every)
        local by_step, out = {}, train(function(t)
          t.log_every, t.stages = every, nil
          t.policy, t.ends, t.kpi_momentum = mtl.policy[policy](), mtl.when.steps(20), 0.9
        end)
        for _, record in ipairs(support.records(out, "step")) do
          record.samples_per_s = nil
          by_step[record.step] = record
        end
        return by_step
      end
      local each, some = steps(1), steps(1000)
      assert.equal(20, #each)
      for step, record in pairs(some) do
        assert.same(each[step], record)
      end
    end
  end)

  it("names the step that was not finite first, and its task", function()
    local made = 0
    local ok, e = pcall(train, function(t)
      t.log_every, t.stages = 1000, nil
      t.policy, t.ends = mtl.policy.uniform(), mtl.when.steps(5)
      t.tasks[2].loss = mtl.loss.custom(function(pred)
        made = made + 1
        return pred:square():mean() * (made == 3 and 0 / 0 or 1)
      end)
    end)
    assert.is_false(ok)
    assert.matches("diverged in step 3 .*the loss of task 'ring' is NaN", tostring(e.message or e))
  end)
end)
