-- KPIs by hand-worked numbers, ties among them; exact in any order and however the data are cut.
local core = require "mtl.core"
local kpi = require "mtl.kpi"
local samples = require "spec.support.samples"

local nan = 0 / 0

local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

local function meter(k, pred, target, dtype)
  local m = k:new()
  m:update(core.tensor(pred), core.tensor(target, dtype))
  return m
end

local function value(k, pred, target, dtype)
  return meter(k, pred, target, dtype):value()
end

local function soft(k, pred, target, dtype)
  local s = k:soft(core.tensor(pred), core.tensor(target, dtype))
  return s and s:item()
end

local examples = {
  top_k = function() return kpi.top_k(2) end,
  within = function() return kpi.within(0.5) end,
  normalized = function() return kpi.normalized { scale = 1 } end,
  custom = function()
    return kpi.custom(function(pred, target)
      return (pred - core.where(target:isnan(), 0, target)):abs():lt(0.5):mean()
    end, { soft_score = function(pred, target)
      return (-(pred - core.where(target:isnan(), 0, target)):abs()):exp():mean()
    end })
  end,
}

describe("every KPI", function()
  for _, name in ipairs(kpi.names()) do
    describe(name, function()
      local k = (examples[name] or kpi[name])()
      local x, y, none = samples.of(k)

      it("is in [0, 1], and the same however the data are cut", function()
        local whole, a, b, c = k:new(), k:new(), k:new(), k:new()
        whole:update(x, y)
        local v = whole:value()
        assert.is_true(v >= 0 and v <= 1)
        a:update(x:slice(1, 1, 5), y:slice(1, 1, 5))
        b:update(x:slice(1, 6, 7), y:slice(1, 6, 7))
        b:update(x:slice(1, 8, 12), y:slice(1, 8, 12))
        c:merge(b)
        c:merge(a)
        assert.near(v, c:value(), 1e-6)
        c:reset()
        assert.is_nil(c:value())
        assert.is_nil(k:new():value())
      end)

      if name ~= "custom" then
        it("is undefined without labels", function()
          local m = k:new()
          m:update(x, none)
          assert.is_nil(m:value())
          assert.is_nil(k.soft and k:soft(x, none))
        end)

        it("is untouched by what a model gives where there is no label", function()
          local bad = x:clone()
          bad[5]:copy_(core.full(bad[5]:shape(), nan))
          local good, m = k:new(), k:new()
          good:update(x, y)
          m:update(bad, y)
          assert.equal(good:value(), m:value())
          if k.soft then
            bad:requires_grad(true)
            local s = k:soft(bad, y)
            assert.equal(k:soft(x, y):item(), s:item())
            s:backward()
            assert.equal(0, bad:grad()[5]:abs():sum():item())
            assert.is_true(bad:grad():abs():sum():item() < math.huge)
          end
        end)
      end

      it("has a soft form whose gradient agrees with central differences, or none", function()
        if k.soft then
          local s = k:soft(x, y):item()
          assert.is_true(s > 0 and s <= 1)
          local sum = 0
          for _, g in ipairs(samples.check_gradient(function(at) return k:soft(at, y) end, x, 5e-4, 5e-3)) do
            sum = sum + math.abs(g)
          end
          assert.is_true(sum > 0)
        end
      end)
    end)
  end
end)

describe("kpi.accuracy", function()
  it("counts the highest logit, the first of equals", function()
    local x = { { 1, 2, 0 }, { 3, 3, 0 }, { 0, 0, 1 }, { 5, 0, 0 } }
    assert.equal(0.75, value(kpi.accuracy(), x, { 1, 0, 2, 1 }, "int32"))
    assert.near(2 / 3, value(kpi.accuracy(), x, { 1, -1, 2, 1 }, "int32"), 1e-12)
    assert.equal(1, value(kpi.accuracy { ignore = 7 }, x, { 1, 7, 2, -1 }, "int32"))
  end)

  it("reads one output as yes or no", function()
    assert.equal(0.75, value(kpi.accuracy(), { { 1 }, { -1 }, { 0 }, { 2 } }, { 1, 0, 1, 1 }))
    assert.equal(0.5, value(kpi.accuracy(), { { 1 }, { -1 }, { 2 } }, { 0, 0, -1 }, "int32"))
  end)

  it("takes pixels", function()
    local x = core.zeros(1, 2, 2, 2)
    x:reshape(2, 4)[2]:copy_(core.tensor { 1, -1, 1, -1 })
    local m = kpi.accuracy():new()
    m:update(x, core.tensor({ { { 1, 0 }, { 0, -1 } } }, "int32"))
    assert.near(2 / 3, m:value(), 1e-12)
    assert.is_number(kpi.accuracy():soft(x, core.tensor({ { { 1, 0 }, { 0, -1 } } }, "int32")):item())
  end)

  it("has the mean probability of the true class as its soft form", function()
    local p = math.exp(2) / (math.exp(2) + 2)
    local x = { { 2, 0, 0 }, { 0, 0, 0 }, { 9, 9, 9 } }
    assert.near((p + 1 / 3) / 2, soft(kpi.accuracy(), x, { 0, 1, -1 }, "int32"), 1e-6)
    assert.near((1 / (1 + math.exp(-1)) + 1 / (1 + math.exp(2))) / 2, soft(kpi.accuracy(), { 1, 2 }, { 1, 0 }), 1e-6)
  end)
end)

describe("kpi.top_k", function()
  it("ranks the true class, the lower class first among equals", function()
    local x = { { 1, 2, 0, 3 }, { 1, 1, 1, 1 }, { 4, 3, 2, 1 } }
    assert.near(2 / 3, value(kpi.top_k(2), x, { 1, 1, 3 }, "int32"), 1e-12)
    assert.near(1 / 3, value(kpi.top_k(2), x, { 1, 2, 3 }, "int32"), 1e-12)
    assert.equal(value(kpi.accuracy(), x, { 3, 0, 1 }, "int32"), value(kpi.top_k(1), x, { 3, 0, 1 }, "int32"))
    assert.equal(0, value(kpi.top_k(2), { { nan, nan, nan } }, { 0 }, "int32"))
    assert.matches("k is 5, but the target has 3", kpi.top_k():fits({ 3 }, { kind = "class", classes = 3 }))
    assert.is_nil(kpi.top_k().soft)
  end)
end)

describe("kpi.f1", function()
  local x = { { 1, 0, 0 }, { 1, 0, 0 }, { 0, 1, 0 }, { 0, 1, 0 } }
  it("is the mean over the classes that occur, or of the sums", function()
    -- class 0: TP 1, FP 1, FN 0: 2/3; class 1: TP 2, FP 0, FN 1: 4/5; class 2 does not occur
    local y = { 0, 1, 1, 1 }
    assert.near((2 / 3 + 4 / 5) / 2, value(kpi.f1(), x, y, "int32"), 1e-12)
    assert.near((2 / 3 + 3 * 4 / 5) / 4, value(kpi.f1 { average = "weighted" }, x, y, "int32"), 1e-12)
    assert.near(0.75, value(kpi.f1 { average = "micro" }, x, y, "int32"), 1e-12)
  end)

  it("is that of yes where there is one output", function()
    assert.near(2 / 3, value(kpi.f1(), { 1, 1, -1, 3 }, { 1, 0, 0, nan }), 1e-12)
    assert.is_nil(value(kpi.f1(), { -1, -1 }, { 0, 0 }))
    assert.equal(0, value(kpi.f1(), { 1, -1 }, { 0, 0 }))
  end)
end)

describe("kpi.average_precision", function()
  it("steps over distinct scores", function()
    -- order: 1 0 1 0: 1/2 * 1 + 1/2 * 2/3
    assert.near(5 / 6, value(kpi.average_precision(), { 4, 3, 2, 1 }, { 1, 0, 1, 0 }), 1e-12)
    -- the two in the middle are one step: recall 1/2 -> 1 at precision 2/3
    assert.near(1 / 2 + 1 / 2 * 2 / 3, value(kpi.average_precision(), { 4, 3, 3, 1 }, { 1, 1, 0, 0 }), 1e-12)
    -- all equal: the share of positives
    assert.equal(0.25, value(kpi.average_precision(), { 1, 1, 1, 1 }, { 0, 0, 1, 0 }))
    assert.is_nil(value(kpi.average_precision(), { 1, 2 }, { 0, 0 }))
    assert.equal(1, value(kpi.average_precision(), { 9, 2, 1 }, { nan, 1, 0 }))
  end)

  it("is the mean over the classes, or outputs, with a positive", function()
    -- class 0: rows in order, labels 1 0 1: 5/6; class 1: the other way round, labels 0 1 0: 1/2; class 2: none
    local x = { { 2, 0, -9 }, { 1, 1, -9 }, { 0, 2, -9 } }
    assert.near((5 / 6 + 1 / 2) / 2, value(kpi.average_precision(), x, { 0, 1, 0 }, "int32"), 1e-12)
    local columns = value(kpi.average_precision(), { { 2, 0 }, { 1, 1 } }, { { 1, 1 }, { 0, 0 } })
    assert.near((1 + 0.5) / 2, columns, 1e-12)
  end)

  it("has Smooth-AP as its soft form", function()
    local function sigma(x)
      return 1 / (1 + math.exp(-x))
    end
    local s, y, tau = { 0.7, 0.6, 0.4 }, { 1, 0, 1 }, 0.5
    local expected = 0
    for i = 1, 3 do
      if y[i] == 1 then
        local pos, all = 1, 1
        for j = 1, 3 do
          if j ~= i then
            pos = pos + y[j] * sigma((s[j] - s[i]) / tau)
            all = all + sigma((s[j] - s[i]) / tau)
          end
        end
        expected = expected + pos / all / 2
      end
    end
    local logits = {}
    for i = 1, 3 do
      logits[i] = math.log(s[i] / (1 - s[i]))
    end
    assert.near(expected, soft(kpi.average_precision { tau = tau }, logits, y), 1e-5)
    table.insert(logits, 2)
    table.insert(y, nan)
    assert.near(expected, soft(kpi.average_precision { tau = tau }, logits, y), 1e-5)
    -- a sharp tau gives the exact value
    assert.near(5 / 6, soft(kpi.average_precision { tau = 1e-3 }, { 2, 1, 0, -1 }, { 1, 0, 1, 0 }), 1e-4)
  end)
end)

describe("kpi.roc_auc", function()
  it("counts pairs in order, ties half", function()
    assert.equal(0.75, value(kpi.roc_auc(), { 4, 3, 2, 1 }, { 1, 0, 1, 0 }))
    assert.equal(0.5, value(kpi.roc_auc(), { 1, 1, 1, 1 }, { 0, 0, 1, 0 }))
    -- pairs: (3, 3) half, (3, 1) won, (2, 3) lost, (2, 1) won
    assert.equal(2.5 / 4, value(kpi.roc_auc(), { 3, 2, 3, 1 }, { 1, 1, 0, 0 }))
    assert.is_nil(value(kpi.roc_auc(), { 1, 2 }, { 1, 1 }))
    assert.is_nil(value(kpi.roc_auc(), { 1, 2 }, { 0, 0 }))
    assert.equal(1, value(kpi.roc_auc(), { { 1 }, { 2 }, { 0 } }, { 0, 1, -1 }, "int32"))
  end)

  it("has the mean over pairs as its soft form", function()
    local function sigma(x)
      return 1 / (1 + math.exp(-x))
    end
    local s, tau = { sigma(1), sigma(0), sigma(2) }, 0.5
    local expected = (sigma((s[1] - s[2]) / tau) + sigma((s[1] - s[3]) / tau)) / 2
    assert.near(expected, soft(kpi.roc_auc { tau = tau }, { 1, 0, 2 }, { 1, 0, 0 }), 1e-5)
    assert.is_nil(soft(kpi.roc_auc(), { 1, 0 }, { 1, 1 }))
  end)
end)

describe("kpi.r2", function()
  it("is the share of variance explained, not below 0", function()
    assert.near(1 - 0.06 / 2, value(kpi.r2(), { { 1.1 }, { 2.2 }, { 2.9 } }, { 1, 2, 3 }), 1e-6)
    assert.equal(0, value(kpi.r2(), { 3, 2, 1 }, { 1, 2, 3 }))
    assert.near(1 - 0.06 / 2, value(kpi.r2(), { 1.1, 2.2, 2.9, 50 }, { 1, 2, 3, nan }), 1e-6)
    assert.is_nil(value(kpi.r2(), { 1, 2 }, { 5, 5 }))
  end)

  it("is exact far from 0", function()
    local x, y = {}, {}
    for i = 1, 100 do
      y[i] = 4096 + (i % 8) / 8
      x[i] = y[i] + (i % 2 == 0 and 0.125 or -0.125)
    end
    local m, n = meter(kpi.r2(), { table.unpack(x, 1, 40) }, { table.unpack(y, 1, 40) }),
      meter(kpi.r2(), { table.unpack(x, 41) }, { table.unpack(y, 41) })
    m:merge(n)
    local mean, m2 = 0, 0
    for _, v in ipairs(y) do
      mean = mean + v / 100
    end
    for _, v in ipairs(y) do
      m2 = m2 + (v - mean) ^ 2
    end
    assert.near(1 - 100 / 64 / m2, m:value(), 1e-7)
  end)

  it("has exp(-MSE / variance) as its soft form", function()
    assert.near(math.exp(-0.02 / 4), soft(kpi.r2 { variance = 4 }, { 1.1, 2.2, 2.9 }, { 1, 2, 3 }), 1e-6)
    assert.near(math.exp(-0.02 / (2 / 3)), soft(kpi.r2(), { 1.1, 2.2, 2.9 }, { 1, 2, 3 }), 1e-6)
    local fitted = kpi.r2():new()
    fitted:fit(core.tensor { 0, 4, nan })
    assert.near(math.exp(-0.02 / 4), fitted:soft(core.tensor { 1.1, 2.2, 2.9 }, core.tensor { 1, 2, 3 }):item(), 1e-6)
    assert.is_nil(soft(kpi.r2(), { 1, 2 }, { 5, 5 }))
  end)
end)

describe("kpi.within", function()
  it("counts what is near enough", function()
    assert.near(2 / 3, value(kpi.within(0.5), { 1, 2.5, 4, 9 }, { 1, 2, 3, nan }), 1e-12)
    assert.near(2 / 3, value(kpi.within(0.25, { by = "relative" }), { 1.25, 8, 3 }, { 1, 10, 2 }), 1e-12)
    assert.equal(0.5, value(kpi.within(1.25, { by = "ratio" }), { 1.2, 0.9, -1, 2 }, { 1, 1, 1, 1 }))
    assert.matches("above 1", message(kpi.within, 0.5, { by = "ratio" }))
    assert.matches("tolerance is missing", message(kpi.within))
  end)

  it("is soft", function()
    local function sigma(x)
      return 1 / (1 + math.exp(-x))
    end
    assert.near((sigma(2) + sigma(-1)) / 2, soft(kpi.within(1, { softness = 0.5 }), { 0, 1.5 }, { 0, 0 }), 1e-6)
  end)
end)

describe("kpi.normalized", function()
  it("makes a score of an error", function()
    assert.near(1 - 1.5 / 4, value(kpi.normalized { baseline = 4 }, { 1, 2, 7 }, { 0, 4, nan }), 1e-12)
    assert.equal(0, value(kpi.normalized { baseline = 1 }, { 1, 2 }, { 0, 4 }))
    assert.near(math.exp(-1.5 / 3), value(kpi.normalized { scale = 3 }, { 1, 2 }, { 0, 4 }), 1e-12)
    assert.near(math.exp(-2.5), value(kpi.normalized { scale = 1, error = "squared" }, { 1, 2 }, { 0, 4 }), 1e-12)
    local rmse = kpi.normalized { baseline = 2, error = "rmse" }
    assert.near(1 - math.sqrt(2.5) / 2, value(rmse, { 1, 2 }, { 0, 4 }), 1e-7)
    assert.near(1 - 1.5 / 4, soft(kpi.normalized { baseline = 4 }, { 1, 2, 7 }, { 0, 4, nan }), 1e-6)
    assert.matches("give one of", message(kpi.normalized))
    assert.matches("give one of", message(kpi.normalized, { baseline = 1, scale = 1 }))
  end)
end)

describe("kpi.custom", function()
  it("is the mean of scores by their counts", function()
    local k = kpi.custom(function(pred)
      return pred:mean(), #pred
    end)
    local m = meter(k, { 1, 1, 1 }, { 0, 0, 0 })
    m:update(core.tensor { 0 }, core.tensor { 0 })
    assert.equal(0.75, m:value())
    assert.is_nil(k.soft)
    assert.matches("from 0 %(worst%) to 1", message(value, k, { 3 }, { 0 })) -- on a device when it is read
    local text = kpi.custom(function() return "x" end)
    assert.matches("returned string, number", message(meter, text, { 3 }, { 0 }))
  end)
end)
