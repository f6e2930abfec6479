-- Metrics for directions, depths and classes of unequal size; and a small dense task from data to test.
local core = require "mtl.core"
local metric = require "mtl.metric"
local mtl = require "mtl"
local support = require "spec.support.training"

local nan = 0 / 0

local function value(m, pred, target, dtype)
  local object = m:new()
  object:update(core.tensor(pred), core.tensor(target, dtype))
  return object:value()
end

-- Vectors [n, 3] at these angles from (0, 0, 1), of any length, and that direction.
local function directions(angles)
  local x, y = {}, {}
  for i, degrees in ipairs(angles) do
    local a, turn, length = math.rad(degrees), i * 0.7, 0.3 + i % 5
    x[i] = { length * math.sin(a) * math.cos(turn), length * math.sin(a) * math.sin(turn), length * math.cos(a) }
    y[i] = { 0, 0, 1 + i % 2 }
  end
  return x, y
end

describe("metric.angle_mean", function()
  it("is in degrees, exact for small and for large angles", function()
    for _, degrees in ipairs { 0, 0.001, 0.01, 0.1, 1, 10, 44.99, 45, 89.9, 90, 90.1, 135, 179, 179.99, 180 } do
      local x, y = directions { degrees }
      assert.near(degrees, value(metric.angle_mean(), x, y), 2e-5)
    end
    local x, y = directions { 10, 20, 60 }
    assert.near(30, value(metric.angle_mean(), x, y), 2e-5)
    -- PyTorch's acos of cosine_similarity
    assert.near(44.415308597192976, value(metric.angle_mean(), { { 1, 2, 3 } }, { { 3, 2, 1 } }), 2e-5)
    assert.near(135, value(metric.angle_mean(), { { 1, 0, -1 } }, { { -1, 0, 0 } }), 2e-5)
  end)

  it("leaves out targets without a direction", function()
    local x, y = directions { 10, 20, 60, 70 }
    y[2], y[3] = { 0, 0, 0 }, { nan, 0, 1 }
    x[2], x[3] = { nan, 0, 0 }, { 1 / 0, 0, 0 }
    assert.near(40, value(metric.angle_mean(), x, y), 2e-5)
    assert.near(90, value(metric.angle_mean(), { { 0, 0, 0 } }, { { 0, 0, 1 } }), 2e-5)
    assert.matches("compares vectors", metric.angle_mean():fits({ 1 }, { kind = "number", shape = { 1, 48, 64 } }))
  end)
end)

describe("metric.angle_median", function()
  it("is the one in the middle, or the mean of two", function()
    local x, y = directions { 50, 10, 170, 20, 3 }
    assert.near(20, value(metric.angle_median(), x, y), 2e-5)
    x, y = directions { 50, 10, 170, 20 }
    assert.near(35, value(metric.angle_median(), x, y), 2e-5)
    x, y = directions { 50, 10, 10, 10 }
    assert.near(10, value(metric.angle_median(), x, y), 2e-5)
    y[2] = { nan, 0, 0 }
    assert.near(10, value(metric.angle_median(), x, y), 2e-5)
    assert.equal(0, value(metric.angle_median(), { { 0, 0, 3 } }, { { 0, 0, 1 } }) // 1)
    assert.near(180, value(metric.angle_median(), { { 0, 0, -3 } }, { { 0, 0, 1 } }), 2e-5)
  end)

  it("is exact over all batches, in any order", function()
    local angles = {}
    for i = 1, 200 do
      angles[i] = (i * 7919 % 1801) / 10
    end
    local x, y = directions(angles)
    x, y = core.tensor(x), core.tensor(y)
    local whole, a, b = metric.angle_median():new(), metric.angle_median():new(), metric.angle_median():new()
    whole:update(x, y)
    b:update(x:slice(1, 1, 77), y:slice(1, 1, 77))
    a:update(x:slice(1, 150, 200), y:slice(1, 150, 200))
    a:merge(b)
    a:update(x:slice(1, 78, 149), y:slice(1, 78, 149))
    assert.equal(whole:value(), a:value())
    table.sort(angles)
    assert.near((angles[100] + angles[101]) / 2, a:value(), 2e-5)
    assert.equal(a:value(), a:value()) -- asking changes nothing
  end)
end)

describe("metric.matthews", function()
  it("is in [-1, 1]", function()
    assert.near(5 / 12, value(metric.matthews(), { 1, 1, -1, -1, -1, -1, 1 }, { 1, 1, 1, 0, 0, 0, 0 }), 1e-12)
    assert.equal(-1, value(metric.matthews(), { 1, -1 }, { 0, 1 }))
    assert.equal(0, value(metric.matthews(), { 1, 1 }, { 0, 1 }))
    assert.is_nil(value(metric.matthews(), { 1, 1 }, { 1, 1 }))
    assert.is_true(metric.matthews().higher)
    assert.is_nil(metric.matthews():fits({ 3 }, { kind = "class", classes = 3 }))
  end)
end)

describe("metrics of depths", function()
  it("leave out what is not known: NaN, and 0 if asked", function()
    local x = core.tensor { { { { 1, 2 }, { 5, 3 } } } }     -- [1, 1, 2, 2]
    local y = core.tensor { { { 2, 4 }, { 0 / 0, 0 } } }     -- [1, 2, 2]
    local function of(m)
      local object = m:new()
      object:update(x, y)
      return object:value()
    end
    assert.near((1 + 2 + 3) / 3, of(metric.abs_error()), 1e-6) -- 0 is a number
    assert.near((1 + 2) / 2, of(metric.abs_error { positive = true }), 1e-6)
    assert.near(math.sqrt((1 + 4) / 2), of(metric.rmse { positive = true }), 1e-6)
    assert.near((1 / 2 + 2 / 4) / 2, of(metric.rel_error()), 1e-6)
    assert.near((1 / 2 + 2 / 4) / 2, of(metric.rel_error { positive = true }), 1e-6)
  end)
end)

describe("a recipe of dense tasks", function()
  -- images of 4 x 4: what is bright is near, class 1, and slopes
  local function recipe()
    local x = core.uniform_(core.zeros(24, 3, 4, 4), 5, "spec/dense", 0, 0.1, 1)
    local bright = x:mean(2)
    local depth = core.where(bright:gt(0.8), 0, 2 - bright)
    local normals = x - 0.5
    return mtl.recipe {
      name = "dense", log_every = 1,
      data = mtl.data.tensors {
        inputs = x, targets = { seg = bright:gt(0.55):cast "int32", depth = depth, normals = normals,
          count = (bright:mean(3):mean(2) * 5):cast("int32"):cast "float32" },
        split = { 0.5, 0.25, 0.25 }, batch = 4,
      },
      trunk = mtl.nn.sequential { mtl.nn.conv2d(3, 6, 3, { padding = 1 }), mtl.nn.relu() },
      tasks = {
        { name = "seg", head = mtl.nn.conv2d(6, 2, 1), loss = mtl.loss.class_balanced(), kpi = mtl.kpi.mean_iou(),
          metrics = { mtl.kpi.pixel_accuracy(), mtl.metric.matthews() } },
        { name = "depth", head = mtl.nn.conv2d(6, 1, 1), loss = mtl.loss.adaptive_robust { learn = true },
          kpi = mtl.kpi.depth_within(),
          metrics = { mtl.metric.abs_error { positive = true }, mtl.metric.rel_error() } },
        { name = "normals", head = mtl.nn.conv2d(6, 3, 1), loss = mtl.loss.cosine(), kpi = mtl.kpi.angle_within(),
          metrics = { mtl.metric.angle_mean(), mtl.metric.angle_median(), mtl.kpi.angle_within(22.5),
            mtl.kpi.angle_within(30) } },
        { name = "count", head = mtl.nn.sequential { mtl.nn.flatten(), mtl.nn.linear(nil, 1) },
          loss = mtl.loss.poisson(), kpi = mtl.kpi.r2() },
      },
      optimizer = mtl.optim.adam { lr = 1e-2 }, ends = mtl.when.epochs(2),
    }
  end

  it("trains and is tested with them", function()
    local folder = os.tmpname()
    os.remove(folder)
    local run = recipe():run { out = folder, progress = false }
    local result = run.summary.test
    for _, name in ipairs { "seg", "depth", "normals" } do
      assert.is_true(result[name].kpi >= 0 and result[name].kpi <= 1)
      assert.is_true(result[name].loss == result[name].loss)
    end
    assert.is_number(result.seg.metrics.pixel_accuracy)
    assert.is_number(result.depth.metrics.abs_error)
    local m = result.normals.metrics
    assert.is_true(m.angle_median > 0 and m.angle_mean > 0)
    assert.is_true(m["angle_within_30"] >= m["angle_within_22.5"] and m["angle_within_22.5"] >= result.normals.kpi)
    support.remove(folder)
  end)
end)
