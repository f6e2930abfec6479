local core = require "mtl.core"
local metric = require "mtl.metric"

local function value(m, pred, target)
  local object = m:new()
  object:update(core.tensor(pred), core.tensor(target))
  return object:value()
end

describe("every metric", function()
  for _, name in ipairs(metric.names()) do
    it(name .. " is exact however the data are cut, and undefined without labels", function()
      local m = metric[name]()
      local x, y = core.tensor { 1, 2, 4, 8 }, core.tensor { 2, 2, 1, 0 / 0 }
      local whole, a, b = m:new(), m:new(), m:new()
      whole:update(x, y)
      a:update(x:slice(1, 1, 1), y:slice(1, 1, 1))
      b:update(x:slice(1, 2, 4), y:slice(1, 2, 4))
      a:merge(b)
      assert.near(whole:value(), a:value(), 1e-12)
      a:reset()
      assert.is_nil(a:value())
      a:update(x, core.full({ 4 }, 0 / 0))
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
