local stages = require "mtl.stage"
local when = require "mtl.when"

local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

-- The epoch in which a condition ends a stage of 10 steps an epoch, told of every step.
local function ends_at(condition, kpis)
  local state = {}
  for epoch = 1, #kpis do
    for step = 1, 10 do
      local last = step == 10
      local ev = { steps = (epoch - 1) * 10 + step, epochs = last and epoch or epoch - 1, epoch_end = last,
        kpis = last and kpis[epoch] or nil }
      if condition:done(state, ev) then
        return epoch, step
      end
    end
  end
end

local function left(...)
  local list = {}
  for i, k in ipairs { ... } do
    list[i] = { left = k }
  end
  return list
end

local flat = left(0, 0, 0, 0, 0, 0)

describe("when", function()
  it("counts epochs and steps", function()
    assert.same({ 2, 10 }, { ends_at(when.epochs(2), flat) })
    assert.same({ 3, 5 }, { ends_at(when.steps(25), flat) })
    assert.equal(20, when.epochs(2):length(10))
    assert.equal(25, when.steps(25):length(10))
  end)

  it("waits for a KPI, at the end of an epoch", function()
    assert.same({ 3, 10 }, { ends_at(when.kpi("left", 0.9), left(0.5, 0.89, 0.9, 1)) })
    assert.is_nil(ends_at(when.kpi("right", 0.9), left(1, 1)))
    assert.is_nil(when.kpi("left", 0.9):length(10))
    assert.same({ "left" }, when.kpi("left", 0.9):reads())
  end)

  it("waits for a plateau", function()
    assert.equal(5, ends_at(when.plateau { task = "left", patience = 2 }, left(0.1, 0.2, 0.3, 0.3, 0.29, 0.5)))
    assert.equal(6, ends_at(when.plateau { task = "left", patience = 2 }, left(0.1, 0.2, 0.1, 0.3, 0.2, 0.3)))
    assert.equal(3, ends_at(when.plateau { task = "left", patience = 2, min_delta = 0.1 }, left(0.1, 0.15, 0.19, 0.5)))
  end)

  it("combines", function()
    assert.same({ 2, 10 }, { ends_at(when.kpi("left", 0.9) | when.epochs(4), left(0.5, 0.95, 1, 1, 1)) })
    assert.same({ 4, 10 }, { ends_at(when.kpi("left", 0.9) | when.epochs(4), flat) })
    assert.same({ 3, 5 }, { ends_at(when.kpi("left", 0.9) & when.steps(25), left(0.5, 0.95, 1, 1, 1)) })
    assert.equal(4, (when.epochs(2) & when.steps(4)):length(1))
    assert.equal(2, (when.epochs(2) | when.steps(4)):length(1))
    assert.is_nil((when.kpi("a", 0.5) & when.steps(4)):length(1))
    assert.equal(4, (when.kpi("a", 0.5) | when.steps(4)):length(1))
    assert.same({ "a", "b" }, (when.kpi("a", 0.5) | when.plateau { task = "b", patience = 1 }):reads())
  end)

  it("knows after how many steps it surely holds", function()
    assert.equal(20, when.epochs(2):length(10))
    assert.is_nil(when.kpi("a", 0.5):length(10))
    assert.equal(30, (when.kpi("a", 0.5) | when.epochs(3)):length(10))
    assert.is_nil((when.kpi("a", 0.5) & when.epochs(3)):length(10))
    assert.equal(9, (when.epochs(2) | when.steps(9)):length(10))
    assert.equal(20, (when.epochs(2) & when.steps(9)):length(10))
  end)

  it("keeps plain state, so that a run can go on", function()
    local condition, state = when.plateau { task = "left", patience = 2 } | when.epochs(9), {}
    condition:done(state, { steps = 10, epochs = 1, epoch_end = true, kpis = { left = 0.4 } })
    condition:done(state, { steps = 20, epochs = 2, epoch_end = true, kpis = { left = 0.3 } })
    local again = { a = { best = state.a.best, waited = state.a.waited }, b = {} }
    assert.is_true(condition:done(again, { steps = 30, epochs = 3, epoch_end = true, kpis = { left = 0.4 } }))
  end)

  it("says what is wrong", function()
    assert.matches("n is 0", message(when.epochs, 0))
    assert.matches("n is missing", message(when.steps))
    assert.matches("threshold is 90", message(when.kpi, "left", 90))
    assert.matches("patience is missing", message(when.plateau, { task = "left" }))
    assert.matches("combine two conditions", message(function() return when.epochs(1) | 3 end))
    assert.matches("did you mean 'epochs'", message(function() return when.epoch end))
  end)
end)

describe("stages.incremental", function()
  it("brings in one task after the other, focal from the second stage on", function()
    local s = stages.incremental({ "a", "b", "c" }, { epochs = { 1, 2, 5 } })
    assert.equal(3, #s)
    assert.same({ "a" }, s[1].tasks)
    assert.same({ "a", "b", "c" }, s[3].tasks)
    assert.equal("uniform", s[1].policy.type)
    assert.equal("focal", s[2].policy.type)
    assert.is_true(s[2].policy.normalize)
    assert.equal(5, s[3].ends.n)
    assert.are_not.equal(s[1].name, s[2].name)
  end)

  it("may end its stages early", function()
    local s = stages.incremental({ "a", "b" }, { epochs = 4, ends = when.kpi("a", 0.8) })
    assert.equal("either", s[1].ends.type)
    assert.equal("epochs", s[2].ends.type)
  end)

  it("says what is wrong", function()
    assert.matches("list of task names", message(stages.incremental, "a"))
    assert.matches("did you mean 'epochs'", message(stages.incremental, { "a" }, { epoch = 1 }))
    assert.matches("2 numbers for 1", message(stages.incremental, { "a" }, { epochs = { 1, 2 } }))
    assert.matches("policy is 'focal'", message(stages.incremental, { "a" }, { policy = "focal" }))
  end)
end)
