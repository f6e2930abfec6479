-- KPIs for unequal classes and dense tasks, by hand-worked numbers.
local core = require "mtl.core"
local kpi = require "mtl.kpi"
local loss = require "mtl.loss"
local policy = require "mtl.policy"
local samples = require "spec.support.samples"

local nan = 0 / 0

local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

local function value(k, pred, target, dtype)
  local m = k:new()
  m:update(core.tensor(pred), core.tensor(target, dtype))
  return m:value()
end

local function soft(k, pred, target, dtype)
  local s = k:soft(core.tensor(pred), core.tensor(target, dtype))
  return s and s:item()
end

-- Logits whose highest is that of the given class, for three classes.
local function guesses(list)
  local x = {}
  for i, class in ipairs(list) do
    x[i] = { 0, 0, 0 }
    x[i][class + 1] = 2
  end
  return x
end

local sure, unsure = math.exp(2) / (math.exp(2) + 2), 1 / (math.exp(2) + 2) -- probabilities of such logits

-- predicted and true classes of six elements; one more has no label
local predicted, actual = { 0, 0, 1, 1, 1, 0, 2 }, { 0, 0, 0, 0, 1, 1, -1 }

describe("a KPI of classes", function()
  it("refuses a target that is no class", function()
    for _, name in ipairs { "f1", "mean_iou", "balanced_accuracy", "matthews" } do
      local m = kpi[name]():new()
      local ok, e = pcall(m.update, m, core.tensor { { 1, 2 }, { 2, 1 } }, core.tensor({ 5, 0 }, "int32"))
      assert.is_false(ok)
      assert.matches("a target of class 5 for predictions of 2 classes, 0 to 1", e, 1, true)
      m = kpi[name] { ignore = 5 }:new()
      m:update(core.tensor { { 1, 2 }, { 2, 1 } }, core.tensor({ 5, 0 }, "int32"))
    end
  end)
end)

describe("every KPI of the registry", function()
  for _, name in ipairs(kpi.names()) do
    it(name .. " does not depend on the order of the rows", function()
      local made = { custom = function() return nil end, top_k = function() return kpi.top_k(2) end,
        within = function() return kpi.within(0.5) end,
        normalized = function() return kpi.normalized { scale = 1 } end }
      local k = (made[name] or kpi[name])()
      if k then
        local x, y = samples.of(k)
        local order = core.permutation(12, 5, "spec/order")
        local a, b = k:new(), k:new()
        a:update(x, y)
        b:update(x:take(1, order), y:dtype() == "float32" and y:take(1, order)
          or y:cast("float32"):take(1, order):cast "int32")
        assert.near(a:value(), b:value(), 1e-6)
      end
    end)
  end
end)

describe("kpi.balanced_accuracy", function()
  it("is the mean of the recalls of the classes that occur", function()
    -- class 0: 2 of 4; class 1: 1 of 2; class 2 has no target
    assert.near(0.5, value(kpi.balanced_accuracy(), guesses(predicted), actual, "int32"), 1e-12)
    -- class 0: 3 of 4, class 1: 1 of 1
    assert.near((3 / 4 + 1) / 2, value(kpi.balanced_accuracy(), guesses { 0, 0, 2, 0, 1 }, { 0, 0, 0, 0, 1 }, "int32"),
      1e-12)
    -- ignored: then class 0 is 2 of 4 alone
    assert.near(0.5, value(kpi.balanced_accuracy { ignore = 1 }, guesses(predicted), actual, "int32"), 1e-12)
  end)

  it("takes no and yes as two classes", function()
    -- yes: 1 of 2, no: 3 of 3
    assert.near(0.75, value(kpi.balanced_accuracy(), { 1, -1, -1, -2, 0, 5 }, { 1, 1, 0, 0, 0, nan }), 1e-12)
    assert.equal(0.5, value(kpi.balanced_accuracy(), { { 1 }, { 1 } }, { 1, 0 }, "int32"))
  end)

  it("is soft by the probability of the true class", function()
    -- class 0: sure, sure, unsure, unsure; class 1: sure, unsure
    assert.near((sure + unsure) / 2, soft(kpi.balanced_accuracy(), guesses(predicted), actual, "int32"), 1e-6)
    assert.near((1 / (1 + math.exp(-1)) + 1 / (1 + math.exp(2))) / 2, soft(kpi.balanced_accuracy(), { 1, 2 }, { 1, 0 }),
      1e-6)
  end)
end)

describe("kpi.mean_iou", function()
  it("is the mean of TP / (TP + FP + FN), over the classes that occur", function()
    -- class 0: TP 2, FP 1, FN 2; class 1: TP 1, FP 2, FN 1
    assert.near((2 / 5 + 1 / 4) / 2, value(kpi.mean_iou(), guesses(predicted), actual, "int32"), 1e-12)
    -- a class that is only predicted costs others, but is not counted itself
    assert.near(1 / 2, value(kpi.mean_iou(), guesses { 0, 2 }, { 0, 0 }, "int32"), 1e-12)
    -- yes: TP 1, FP 1, FN 0; no: TP 1, FP 0, FN 1
    assert.near(1 / 2, value(kpi.mean_iou(), { 1, 1, -1 }, { 1, 0, 0 }), 1e-12)
  end)

  it("counts over images together, not image by image", function()
    local m, a, b = kpi.mean_iou():new(), guesses { 0, 0, 1, 1 }, guesses { 0, 1, 1, 1 }
    local function image(x)
      return core.tensor(x):transpose(1, 2):reshape(1, 3, 2, 2)
    end
    m:update(image(a), core.tensor({ { { 0, 0 }, { 0, 0 } } }, "int32"))
    m:update(image(b), core.tensor({ { { 0, 1 }, { -1, 0 } } }, "int32"))
    -- class 0: TP 3, FN 3 (2 + 1); class 1: TP 1, FP 3 (2 + 1)
    assert.near((3 / 6 + 1 / 4) / 2, m:value(), 1e-12)
    local other = kpi.mean_iou():new()
    other:update(image(b), core.tensor({ { { 0, 1 }, { -1, 0 } } }, "int32"))
    local first = kpi.mean_iou():new()
    first:update(image(a), core.tensor({ { { 0, 0 }, { 0, 0 } } }, "int32"))
    other:merge(first)
    assert.equal(m:value(), other:value())
  end)

  it("is soft with probabilities", function()
    -- class 0: inter 2 s + 2 u, its probabilities 3 s + 3 u, 4 targets; class 1: inter s + u, 3 s + 3 u, 2 targets
    local i0, i1, p = 2 * sure + 2 * unsure, sure + unsure, 3 * sure + 3 * unsure
    assert.near((i0 / (p + 4 - i0) + i1 / (p + 2 - i1)) / 2, soft(kpi.mean_iou(), guesses(predicted), actual, "int32"),
      1e-6)
    local far = {}
    for i, row in ipairs(guesses(predicted)) do
      far[i] = { row[1] * 50, row[2] * 50, row[3] * 50 }
    end
    assert.near((2 / 5 + 1 / 4) / 2, soft(kpi.mean_iou(), far, actual, "int32"), 1e-6) -- certain: the exact value
    local x = core.tensor(guesses(predicted)):transpose(1, 2):reshape(1, 3, 7)
    assert.near(soft(kpi.mean_iou(), guesses(predicted), actual, "int32"),
      kpi.mean_iou():soft(x, core.tensor({ actual }, "int32")):item(), 1e-6) -- as pixels
  end)
end)

describe("kpi.matthews", function()
  it("is (MCC + 1) / 2", function()
    -- TP 2, TN 3, FP 1, FN 1
    local mcc = (2 * 3 - 1 * 1) / math.sqrt(3 * 3 * 4 * 4)
    assert.near((mcc + 1) / 2, value(kpi.matthews(), { 1, 1, -1, -1, -1, -1, 1 }, { 1, 1, 1, 0, 0, 0, 0 }), 1e-12)
    assert.equal(0, value(kpi.matthews(), { 1, -1 }, { 0, 1 }))
    assert.equal(0.5, value(kpi.matthews(), { 1, 1 }, { 0, 1 })) -- one answer to everything
    assert.is_nil(value(kpi.matthews(), { 1, -1 }, { 1, 1 }))
  end)

  it("is R_k for several classes", function()
    -- right 3 of 6; predicted 3, 3, 0; actual 4, 2, 0
    local rk = (3 * 6 - (3 * 4 + 3 * 2)) / math.sqrt((36 - 18) * (36 - 20))
    assert.near((rk + 1) / 2, value(kpi.matthews(), guesses(predicted), actual, "int32"), 1e-12)
    -- right 6 of 8; 3, 3, 2 on both sides
    assert.near((26 / 42 + 1) / 2, value(kpi.matthews(), guesses { 0, 1, 2, 0, 1, 1, 2, 0 }, { 0, 1, 2, 0, 1, 2, 1, 0 },
      "int32"), 1e-12)
  end)

  it("has no soft form, and is refused by name where one is needed", function()
    assert.is_nil(kpi.matthews().soft)
    local why = policy.check(policy.focal { through_kpi = true }, { { name = "rare", loss = loss.cross_entropy(),
      kpi = kpi.matthews() } }, { rare = true })
    assert.matches("kpi.matthews of task 'rare' has no differentiable form", why, 1, true)
    for _, name in ipairs { "balanced_accuracy", "mean_iou", "pixel_accuracy", "box_iou", "depth_within",
      "angle_within" } do
      assert.is_nil(policy.check(policy.focal { through_kpi = true }, { { name = "t", loss = loss.mse(),
        kpi = kpi[name]() } }, { t = true }))
    end
  end)
end)

describe("kpi.pixel_accuracy", function()
  it("is accuracy over pixels, and nothing else", function()
    local x = core.tensor(guesses(predicted)):transpose(1, 2):reshape(1, 3, 7)
    local m = kpi.pixel_accuracy():new()
    m:update(x, core.tensor({ actual }, "int32"))
    assert.equal(0.5, m:value())
    local s = kpi.pixel_accuracy():soft(x, core.tensor({ actual }, "int32"))
    assert.near((3 * sure + 3 * unsure) / 6, s:item(), 1e-6)
    assert.is_nil(kpi.pixel_accuracy():fits({ 3, 4, 4 }, { kind = "class", classes = 3, shape = { 4, 4 } }))
    assert.matches("one class for each", kpi.pixel_accuracy():fits({ 3 }, { kind = "class", classes = 3 }))
  end)
end)

describe("kpi.box_iou", function()
  it("is the mean overlap over union", function()
    local x, y = { { 0, 0, 2, 2 }, { 0, 0, 1, 1 }, { 1, 2, 3, 4 } }, { { 1, 1, 3, 3 }, { 2, 0, 3, 1 }, { 1, 2, 3, 4 } }
    assert.near((1 / 7 + 0 + 1) / 3, value(kpi.box_iou(), x, y), 1e-6)
    assert.near((1 / 7 + 0 + 1) / 3, soft(kpi.box_iou(), x, y), 1e-6)
    assert.near(1 / 7, value(kpi.box_iou(), { { x[1], x[3] } }, { { y[1], { nan, 2, 3, 4 } } }), 1e-6)
    assert.near(1 / 2, value(kpi.box_iou(), { { 4, 2, 0, 0 } }, { { 0, 0, 2, 2 } }), 1e-6) -- corners swapped
    assert.equal(0, value(kpi.box_iou(), { { 1, 1, 1, 1 } }, { { 1, 1, 1, 1 } })) -- no area
  end)
end)

describe("kpi.depth_within", function()
  it("counts ratios below the tolerance, where the depth is known", function()
    -- ratios 1.2, 1.25 (not below), 1.1, 2, and three pixels without a depth; predictions of 0 and below are wrong
    local x, y = { 1.2, 5, 1, 1, 3, 4, 5, 0, -1 }, { 1, 4, 1.1, 2, 0, -1, nan, 1, 1 }
    assert.near(2 / 6, value(kpi.depth_within(), x, y), 1e-12)
    assert.near(3 / 6, value(kpi.depth_within(1.25 ^ 2), x, y), 1e-12)
    local m = kpi.depth_within():new()
    m:update(core.tensor(x):reshape(1, 1, 3, 3), core.tensor(y):reshape(1, 3, 3))
    assert.near(2 / 6, m:value(), 1e-12)
    assert.matches("tolerance is 1", message(kpi.depth_within, 1))
  end)

  it("is soft, with a gradient at known depths only", function()
    local function sigma(z)
      return 1 / (1 + math.exp(-z))
    end
    local s = soft(kpi.depth_within(), { 1.2, 5, 1 }, { 1, 4, 0 })
    assert.near((sigma((1.25 - 1.2) / 0.025) + sigma(0)) / 2, s, 1e-5)
    local g = samples.check_gradient(function(x)
      return kpi.depth_within(1.25, { softness = 0.2 }):soft(x, core.tensor { 1, 4, 0 })
    end, core.tensor { 1.2, 5, 1 })
    assert.equal(0, g[3])
    assert.is_true(g[1] < 0)
  end)
end)

describe("kpi.angle_within", function()
  local function at(degrees, length)
    return { length * math.cos(math.rad(degrees)), length * math.sin(math.rad(degrees)), 0 }
  end

  it("counts angles below the tolerance", function()
    local x = { at(11, 3), at(12, 0.1), at(-5, 1), at(180, 2), { 1, 0, 0 }, { 0, 0, 0 }, { 1, 1, 1 } }
    local y = { { 1, 0, 0 }, { 4, 0, 0 }, { 1, 0, 0 }, { 1, 0, 0 }, { 0, 0, 0 }, { 1, 0, 0 }, { nan, 0, 1 } }
    assert.near(2 / 5, value(kpi.angle_within(), x, y), 1e-12)
    assert.near(3 / 5, value(kpi.angle_within(22.5), x, y), 1e-12)
    assert.near(4 / 5, value(kpi.angle_within(90.1), x, y), 1e-12) -- no direction is a right angle off
    local m = kpi.angle_within():new()
    m:update(core.tensor(x):transpose(1, 2):reshape(1, 3, 1, 7), core.tensor(y):transpose(1, 2):reshape(1, 3, 1, 7))
    assert.near(2 / 5, m:value(), 1e-12)
  end)

  it("is soft in degrees", function()
    local function sigma(z)
      return 1 / (1 + math.exp(-z))
    end
    local k = kpi.angle_within(10, { softness = 4 })
    local x, y = { at(8, 2), at(100, 1), at(170, 1) }, { { 1, 0, 0 }, { 1, 0, 0 }, { 0.5, 0, 0 } }
    assert.near((sigma(2 / 4) + sigma(-90 / 4) + sigma(-160 / 4)) / 3, soft(k, x, y), 1e-5)
    samples.check_gradient(function(p)
      return kpi.angle_within(10, { softness = 40 }):soft(p, core.tensor(y))
    end, core.tensor(x), 2e-3)
  end)
end)

describe("targets of pixels", function()
  local seg = { kind = "class", classes = 13, shape = { 48, 64 }, dense = "labels" }
  local depth = { kind = "number", shape = { 48, 64 }, dense = "depth" }

  it("want outputs at the same places", function()
    for _, part in ipairs { loss.cross_entropy(), loss.focal(), loss.class_balanced(), kpi.mean_iou(),
      kpi.pixel_accuracy(), kpi.balanced_accuracy(), kpi.matthews(), kpi.f1() } do
      assert.is_nil(part:fits({ 13, 48, 64 }, seg))
      local wrong = part:fits({ 13, 24, 32 }, seg)
      assert.matches("gives [13, 24, 32]", wrong, 1, true)
      assert.matches("13 classes at each of [48, 64]: it should give [13, 48, 64]", wrong, 1, true)
      assert.matches("gives [13]", part:fits({ 13 }, seg), 1, true)
    end
    for _, part in ipairs { loss.l1(), kpi.depth_within(), require "mtl.metric".rel_error() } do
      assert.is_nil(part:fits({ 1, 48, 64 }, depth))
      assert.matches("gives [1, 64, 48] for each example, but the target is [48, 64]",
        part:fits({ 1, 64, 48 }, depth), 1, true)
      assert.matches("gives [2, 48, 64]", part:fits({ 2, 48, 64 }, depth), 1, true)
    end
    local road = { kind = "class", classes = 2, shape = { 48, 64 } }
    assert.is_nil(loss.binary_cross_entropy():fits({ 1, 48, 64 }, road))
    assert.matches("gives %[1, 24, 32%].*yes or no", loss.binary_cross_entropy():fits({ 1, 24, 32 }, road))
  end)

  it("are one question for a KPI of ranking", function()
    local x, y = core.tensor { 4, 3, 2, 1, 9, 9 }, core.tensor({ 1, 0, 1, 0, -1, -1 }, "int32")
    local m = kpi.roc_auc():new()
    m:update(x:reshape(1, 1, 2, 3), y:reshape(1, 2, 3))
    assert.equal(0.75, m:value())
  end)
end)
