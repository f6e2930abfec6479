-- Losses by hand-worked numbers; what is missing is left out.
local core = require "mtl.core"
local loss = require "mtl.loss"
local samples = require "spec.support.samples"

local nan = 0 / 0

local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

local function compute(l, pred, target, dtype)
  local value, remains = l:compute(core.tensor(pred), core.tensor(target, dtype))
  return value:item(), remains
end

local examples = {
  custom = function() return loss.custom(function(x, y)
    local gone = y:isnan()
    return core.where(gone, 0, (x - core.where(gone, 0, y)):square()):sum() / 11, 12 - gone:sum():item()
  end) end,
  class_balanced = function() return loss.class_balanced { counts = { 10, 30, 60 } } end,
}

describe("every loss", function()
  for _, name in ipairs(loss.names()) do
    local l = (examples[name] or loss[name])()
    local pred, target, none = samples.of(l)

    it(name .. " gives a scalar and what remains, with a gradient", function()
      local x = pred:clone():requires_grad(true)
      local value, remains = l:compute(x, target)
      assert.same({}, value:shape())
      assert.equal(11, remains)
      value:backward()
      assert.same(x:shape(), x:grad():shape())
      assert.is_true(l.form == "classification" or l.form == "squared" or l.form == "absolute")
      assert.is_boolean(l.negative)
      assert.is_true(l.negative or value:item() >= 0)
    end)

    it(name .. " agrees with central differences", function()
      samples.check_gradient(function(x)
        return (l:compute(x, target))
      end, pred)
    end)

    if name ~= "custom" then
      it(name .. " is 0 where nothing remains", function()
        local value, remains = l:compute(pred, none)
        assert.equal(0, value:item())
        assert.equal(0, remains)
      end)

      it(name .. " is untouched by what a model gives where nothing is to be learned", function()
        local function run(bad)
          local x = pred:clone()
          x[5]:copy_(core.full(x[5]:shape(), bad))
          x:requires_grad(true)
          local value = l:compute(x, target)
          value:backward()
          return value:item(), x:grad():reshape(-1):totable()
        end
        local value, gradient = run(1)
        for _, bad in ipairs { nan, 1 / 0, 1e30 } do
          local v, g = run(bad)
          assert.equal(value, v)
          assert.same(gradient, g)
        end
      end)
    end
  end
end)

describe("loss.cross_entropy", function()
  local pred = { { 2, 0, 0 }, { 0, 1, 0 }, { 0, 0, 0 } }
  local function nll(row, class)
    local sum = 0
    for _, x in ipairs(row) do
      sum = sum + math.exp(x)
    end
    return math.log(sum) - row[class + 1]
  end

  it("is the mean over what has a label", function()
    local value, remains = compute(loss.cross_entropy(), pred, { 0, 2, -1 }, "int32")
    assert.near((nll(pred[1], 0) + nll(pred[2], 2)) / 2, value, 1e-6)
    assert.equal(2, remains)
    value, remains = compute(loss.cross_entropy { ignore = 2 }, pred, { 0, 2, 1 }, "int32")
    assert.near((nll(pred[1], 0) + nll(pred[3], 1)) / 2, value, 1e-6)
    assert.equal(2, remains)
  end)

  it("weighs classes, and smooths", function()
    local value, remains = compute(loss.cross_entropy { weight = { 1, 2, 3 } }, pred, { 0, 1, 2 }, "int32")
    assert.near((nll(pred[1], 0) + 2 * nll(pred[2], 1) + 3 * nll(pred[3], 2)) / 6, value, 1e-6)
    assert.equal(6, remains)
    value = compute(loss.cross_entropy { smoothing = 0.3 }, { pred[1] }, { 0 }, "int32")
    local all = nll(pred[1], 0) + nll(pred[1], 1) + nll(pred[1], 2)
    assert.near(0.7 * nll(pred[1], 0) + 0.1 * all, value, 1e-6)
  end)

  it("fits a head with an output for each class", function()
    local l = loss.cross_entropy()
    assert.is_nil(l:fits({ 3 }, { kind = "class", classes = 3 }))
    assert.is_nil(l:fits({ 3, 8, 8 }, { kind = "class", classes = 3, shape = { 8, 8 } }))
    assert.matches("head gives %[4%].*3 classes", l:fits({ 4 }, { kind = "class", classes = 3 }))
    assert.matches("is a number", l:fits({ 1 }, { kind = "number", shape = {} }))
    l = loss.cross_entropy { weight = { 1, 2 } }
    assert.matches("weight has 2", l:fits({ 3 }, { kind = "class", classes = 3 }))
  end)

  it("refuses options out of range", function()
    assert.matches("smoothing is 1", message(loss.cross_entropy, { smoothing = 1 }))
    assert.matches("weight.2 is %-1", message(loss.cross_entropy, { weight = { 1, -1 } }))
    assert.matches("did you mean 'smoothing'", message(loss.cross_entropy, { smothing = 0.1 }))
  end)
end)

describe("loss.binary_cross_entropy", function()
  local function softplus(x)
    return math.log(1 + math.exp(x))
  end

  it("leaves out what is missing, and weighs yes", function()
    local value, remains = compute(loss.binary_cross_entropy(), { { 1 }, { -2 }, { 7 } }, { 1, 0, nan })
    assert.near((softplus(-1) + softplus(-2)) / 2, value, 1e-6)
    assert.equal(2, remains)
    value = compute(loss.binary_cross_entropy { pos_weight = 3 }, { 1, -2 }, { 1, 0 })
    assert.near((3 * softplus(-1) + softplus(-2)) / 2, value, 1e-6)
  end)

  it("takes two classes, and refuses labels out of range", function()
    local value, remains = compute(loss.binary_cross_entropy(), { { 1 }, { -2 }, { 7 } }, { 1, 0, -1 }, "int32")
    assert.near((softplus(-1) + softplus(-2)) / 2, value, 1e-6)
    assert.equal(2, remains)
    assert.matches("targets from 1 to 2", message(compute, loss.binary_cross_entropy(), { 1, 2 }, { 1, 2 }))
    local l = loss.binary_cross_entropy()
    assert.is_nil(l:fits({ 1 }, { kind = "class", classes = 2 }))
    assert.matches("3 classes", l:fits({ 1 }, { kind = "class", classes = 3 }))
    assert.matches("1 output", l:fits({ 2 }, { kind = "class", classes = 2 }))
    assert.is_nil(l:fits({ 4 }, { kind = "number", shape = { 4 } }))
  end)
end)

describe("losses of regression", function()
  local pred, target = { { 1 }, { -2 }, { 5 }, { 0 } }, { 0, 1, nan, 0.5 } -- errors 1, 3, -, 0.5

  it("are means over what has a target", function()
    local value, remains = compute(loss.mse(), pred, target)
    assert.near((1 + 9 + 0.25) / 3, value, 1e-6)
    assert.equal(3, remains)
    assert.near(4.5 / 3, (compute(loss.l1(), pred, target)), 1e-6)
    assert.near((0.5 + 2.5 + 0.125) / 3, (compute(loss.huber(), pred, target)), 1e-6)
    assert.near((0.5 + 2 * (3 - 1) + 0.125) / 3, (compute(loss.huber { delta = 2 }, pred, target)), 1e-6)
  end)

  it("send no gradient, and no NaN, through what is missing", function()
    for name, expected in pairs { mse = { 2 / 3, -2, 0, -1 / 3 }, l1 = { 1 / 3, -1 / 3, 0, -1 / 3 },
      huber = { 1 / 3, -1 / 3, 0, -0.5 / 3 } } do
      local x = core.tensor(pred):requires_grad(true)
      loss[name]():compute(x, core.tensor(target)):backward()
      for i, g in ipairs(x:grad():reshape(-1):totable()) do
        assert.near(expected[i], g, 1e-6)
      end
    end
  end)

  it("fit a head with an output for each number", function()
    local l = loss.mse()
    assert.is_nil(l:fits({ 1 }, { kind = "number", shape = {} }))
    assert.is_nil(l:fits({ 3 }, { kind = "number", shape = { 3 } }))
    assert.matches("gives %[2%].*1 number$", l:fits({ 2 }, { kind = "number", shape = {} }))
    assert.matches("5 classes", l:fits({ 5 }, { kind = "class", classes = 5 }))
    assert.matches("shape", message(compute, l, { 1, 2, 3 }, { 1, 2 }))
    assert.matches("delta is 0", message(loss.huber, { delta = 0 }))
  end)
end)

describe("loss.custom", function()
  it("takes a function", function()
    local l = loss.custom(function(x, y)
      return (x - y):sum(), 7
    end, { negative = true, form = "absolute" })
    local value, remains = compute(l, { 1, 2 }, { 3, 4 })
    assert.equal(-4, value)
    assert.equal(7, remains)
    assert.is_true(l.negative)
    assert.equal("absolute", l.form)
    local two = loss.custom(function(x, y) return (x - y):mean(), x end)
    assert.matches("returned mtl.tensor for how many", message(compute, two, { 1, 2 }, { 1, 2 }))
    assert.matches("tensor of one number", message(compute, loss.custom(function(x) return x end), { 1, 2 }, { 1, 2 }))
  end)
end)
