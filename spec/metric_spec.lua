local core = require "mtl.core"
local metric = require "mtl.metric"
local samples = require "spec.support.samples"

local function value(m, pred, target)
  local object = m:new()
  object:update(core.tensor(pred), core.tensor(target))
  return object:value()
end

describe("every metric", function()
  for _, name in ipairs(metric.names()) do
    it(name .. " is exact however the data are cut, and undefined without labels", function()
      local m = metric[name]()
      local x, y, none = samples.of(m)
      local whole, a, b = m:new(), m:new(), m:new()
      whole:update(x, y)
      a:update(x:slice(1, 9, 12), y:slice(1, 9, 12))
      b:update(x:slice(1, 1, 5), y:slice(1, 1, 5))
      b:update(x:slice(1, 6, 8), y:slice(1, 6, 8))
      a:merge(b)
      assert.near(whole:value(), a:value(), 1e-6 * math.max(1, math.abs(whole:value()))) -- sums are floats
      local bad = x:clone() -- row 5 has no label
      bad[5]:copy_(core.full(bad[5]:shape(), 0 / 0))
      local other = m:new()
      other:update(bad, y)
      assert.equal(whole:value(), other:value())
      a:reset()
      assert.is_nil(a:value())
      a:update(x, none)
      assert.is_nil(a:value())
      assert.is_boolean(m.higher)
    end)
  end
end)

describe("metrics", function()
  local pred, target = { { 1 }, { 2 }, { 5 }, { 3 } }, { 2, 2, 0 / 0, 0 }

  it("are what they are called", function()
    assert.near(4 / 3, value(metric.abs_error(), pred, target), 1e-6)
    assert.near(0.5 / 2, value(metric.rel_error(), pred, target), 1e-6)
    assert.near(math.sqrt(10 / 3), value(metric.rmse(), pred, target), 1e-6)
  end)

  it("fit numbers", function()
    assert.is_nil(metric.rmse():fits({ 1 }, { kind = "number", shape = {} }))
    assert.matches("classes", metric.rmse():fits({ 3 }, { kind = "class", classes = 3 }))
  end)
end)
