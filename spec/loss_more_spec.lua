-- Losses beyond the common ones: by hand, and by PyTorch 2.15 in double precision.
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

local logits, labels = { { 0.5, -0.5, 1 }, { 1, 2, -1 }, { 0, 0.3, -0.2 } }, { 0, 2, 1 }

local function log_p(row, class)
  local sum = 0
  for _, x in ipairs(row) do
    sum = sum + math.exp(x)
  end
  return row[class + 1] - math.log(sum)
end

describe("loss.focal", function()
  it("fades what is right, over classes", function()
    local expected = 0
    for i, row in ipairs(logits) do
      local l = log_p(row, labels[i])
      expected = expected - (1 - math.exp(l)) ^ 2 * l / 3
    end
    assert.near(expected, (compute(loss.focal(), logits, labels, "int32")), 1e-6)
    assert.near(1.297489578069207, (compute(loss.focal(), logits, labels, "int32")), 1e-6) -- PyTorch
    assert.near(1.6129681824352577, (compute(loss.focal { gamma = 0.5 }, logits, labels, "int32")), 1e-6)
    assert.near(1.119054329038119, (compute(loss.focal { alpha = { 0.2, 0.5, 1 } }, logits, labels, "int32")), 1e-6)
    assert.near((compute(loss.cross_entropy(), logits, labels, "int32")),
      (compute(loss.focal { gamma = 0 }, logits, labels, "int32")), 1e-6)
  end)

  it("fades what is right, over yes and no", function()
    local x, y = { 1.5, -0.5, 0.2, -3 }, { 1, 0, 0, 1 }
    assert.near(0.23122360136872652, (compute(loss.focal(), x, y)), 1e-6) -- as torchvision's sigmoid_focal_loss
    assert.near(0.44482194797956726, (compute(loss.focal { gamma = 1, alpha = 0.5 }, x, y)), 1e-6)
    assert.near(0.25 * 0.25 * math.log(2), (compute(loss.focal(), { 0 }, { 1 })), 1e-6)
    assert.near(0.75 * 0.25 * math.log(2), (compute(loss.focal(), { { 0 }, { 9 } }, { 0, -1 }, "int32")), 1e-6)
  end)

  it("stays finite at certainty, and takes pixels", function()
    for _, gamma in ipairs { 0.5, 1, 2 } do
      local x = core.tensor({ { 200, -200 }, { 200, -200 } }):requires_grad(true)
      local value = loss.focal({ gamma = gamma }):compute(x, core.tensor({ 0, 1 }, "int32"))
      value:backward()
      assert.near(200, value:item(), 1e-4)
      assert.is_true(x:grad():abs():sum():item() < 10)
    end
    -- [1, classes, pixels, 1]
    local x = core.tensor(logits):reshape(1, 3, 3, 1):transpose(2, 3):reshape(1, 3, 3, 1)
    local value, remains = loss.focal():compute(x, core.tensor({ { { 0 }, { 2 }, { 1 } } }, "int32"))
    assert.near(1.297489578069207, value:item(), 1e-6)
    assert.equal(3, remains)
  end)

  it("fits its alpha to what it weighs", function()
    local three, yes = { kind = "class", classes = 3 }, { kind = "class", classes = 2 }
    assert.is_nil(loss.focal({ alpha = { 1, 2, 3 } }):fits({ 3 }, three))
    assert.matches("list of 3 weights", loss.focal({ alpha = 0.3 }):fits({ 3 }, three))
    assert.matches("list of 3 weights", loss.focal({ alpha = { 1, 2 } }):fits({ 3 }, three))
    assert.matches("weight of yes", loss.focal({ alpha = { 1, 2 } }):fits({ 1 }, yes))
    assert.is_nil(loss.focal({ alpha = 0.3 }):fits({ 1 }, yes))
    assert.matches("alpha is 2", message(loss.focal, { alpha = 2 }))
    assert.matches("gamma is %-1", message(loss.focal, { gamma = -1 }))
  end)
end)

describe("loss.class_balanced", function()
  it("weighs classes by their effective numbers", function()
    -- n = 100, 10, 1 and beta = 0.9: (1 - beta) / (1 - beta^n) = 0.1000027, 0.1535340, 1, sum 3 x 0.4178456
    local l = loss.class_balanced { beta = 0.9, counts = { 100, 10, 1 } }
    local w = { 0.2393292360, 0.3674419731, 2.3932287909 }
    local expected = -(w[1] * log_p(logits[1], 0) + w[3] * log_p(logits[2], 2) + w[2] * log_p(logits[3], 1)) / 3
    local value, remains = compute(l, logits, labels, "int32")
    assert.near(expected, value, 1e-5)
    assert.near(2.8642454959884294, value, 1e-5) -- PyTorch
    assert.equal(3, remains)
    assert.near(2.5610907231034434, (compute(loss.class_balanced { beta = 0.9, counts = { 100, 10, 1 }, gamma = 2 },
      logits, labels, "int32")), 1e-5)
    assert.near(3.1037673328885513, (compute(loss.class_balanced { counts = { 100, 10, 1 } }, logits, labels, "int32")),
      1e-5)
    assert.near((compute(loss.cross_entropy(), logits, labels, "int32")),
      (compute(loss.class_balanced { beta = 0, counts = { 100, 10, 1 } }, logits, labels, "int32")), 1e-6)
  end)

  it("counts the training labels, once shown", function()
    local target = {}
    for i = 1, 115 do
      target[i] = i <= 100 and 0 or i <= 110 and 1 or i == 111 and 2 or i == 112 and -1 or 7
    end
    local l = loss.class_balanced({ beta = 0.9, ignore = 7 }):new()
    l:fit(core.tensor(target, "int32"))
    assert.near(2.8642454959884294, (compute(l, logits, labels, "int32")), 1e-5)
    local dense = loss.class_balanced({ beta = 0.9, ignore = 7 }):new()
    dense:fit(core.tensor(target, "int32"):reshape(5, 23))
    assert.near(2.8642454959884294, (compute(dense, logits, labels, "int32")), 1e-5)
    assert.matches("has not seen the training labels", message(compute, loss.class_balanced(), logits, labels, "int32"))
  end)

  it("weighs a class that was never seen as the rarest one", function()
    -- weights 0.1, 1, 1 (n = 1; none), to the sum 3
    local l = loss.class_balanced { beta = 0.9, counts = { 1e6, 1, 0 } }
    assert.near(-log_p(logits[2], 2) * 3 / 2.1, (compute(l, { logits[2] }, { 2 }, "int32")), 1e-5)
    assert.near(-log_p(logits[1], 0) * 0.3 / 2.1, (compute(l, { logits[1] }, { 0 }, "int32")), 1e-5)
    assert.matches("counts has 3 numbers", l:fits({ 4 }, { kind = "class", classes = 4 }))
    assert.matches("is a number", l:fits({ 1 }, { kind = "number", shape = {} }))
  end)
end)

describe("loss.giou", function()
  it("is 1 - IoU, and the share of the hull that is empty", function()
    -- overlap 1 of 7, hull 9 with 2 empty; side by side: no overlap, hull 3 with 1 empty; equal
    local x = { { 0, 0, 2, 2 }, { 0, 0, 1, 1 }, { 1, 2, 3, 4 } }
    local y = { { 1, 1, 3, 3 }, { 2, 0, 3, 1 }, { 1, 2, 3, 4 } }
    local value, remains = compute(loss.giou(), x, y)
    assert.near((1 - 1 / 7 + 2 / 9 + 1 + 1 / 3 + 0) / 3, value, 1e-6)
    assert.equal(3, remains)
    assert.near(1 - 1 / 7 + 2 / 9, (compute(loss.giou(), { { 2, 2, 0, 0 } }, { y[1] })), 1e-6) -- corners swapped
    value, remains = compute(loss.giou(), { { x[1], x[2] } }, { { y[1], { 2, nan, 3, 1 } } })
    assert.near(1 - 1 / 7 + 2 / 9, value, 1e-6)
    assert.equal(1, remains)
  end)

  it("stays finite for boxes without an area", function()
    for _, y in ipairs { { 0, 0, 0, 0 }, { 1, 1, 1, 1 }, { 0, 0, 1, 1 }, { 1e6, 0, 1e6, 5 } } do
      for _, p in ipairs { { 0, 0, 0, 0 }, { 1, 1, 1, 1 }, { 5, 0, 1e6, 1e6 } } do
        local x = core.tensor({ p }):requires_grad(true)
        local value = loss.giou():compute(x, core.tensor { y })
        value:backward()
        assert.is_true(value:item() >= 0 and value:item() <= 2)
        assert.is_true(x:grad():abs():sum():item() < math.huge)
      end
    end
  end)

  it("fits boxes", function()
    local l = loss.giou()
    assert.is_nil(l:fits({ 4 }, { kind = "number", shape = { 4 } }))
    assert.is_nil(l:fits({ 20 }, { kind = "number", shape = { 5, 4 } }))
    assert.matches("boxes.*%[3%]", l:fits({ 3 }, { kind = "number", shape = { 3 } }))
    assert.matches("one of 4 classes", l:fits({ 4 }, { kind = "class", classes = 4 }))
    assert.matches("gives %[8%].*%[5, 4%]", l:fits({ 8 }, { kind = "number", shape = { 5, 4 } }))
  end)
end)

describe("loss.cosine", function()
  it("is 1 - cos along dimension 2", function()
    local x, y = { { 1, 2, 3 }, { 0, 1, 0 }, { 1, 0, -1 } }, { { 3, 2, 1 }, { 0, 2, 0 }, { -1, 0, 0 } }
    assert.near((2 / 7 + 0 + 1 + math.sqrt(0.5)) / 3, (compute(loss.cosine(), x, y)), 1e-6)
    local value, remains = compute(loss.cosine(), x, { { 3, 2, 1 }, { 0, 0, 0 }, { nan, 0, 0 } })
    assert.near(2 / 7, value, 1e-6) -- a target without a direction is none
    assert.equal(1, remains)
    assert.near(1, (compute(loss.cosine(), { { 0, 0, 0 } }, { { 3, 2, 1 } })), 1e-6)
    -- [1, 3, 1, 3]: the same three vectors as pixels
    local pixels = loss.cosine():compute(core.tensor(x):transpose(1, 2):reshape(1, 3, 1, 3),
      core.tensor(y):transpose(1, 2):reshape(1, 3, 1, 3))
    assert.near((2 / 7 + 0 + 1 + math.sqrt(0.5)) / 3, pixels:item(), 1e-6)
  end)

  it("fits vectors, at the same places", function()
    local l, normals = loss.cosine(), { kind = "number", shape = { 3, 48, 64 } }
    assert.is_nil(l:fits({ 3, 48, 64 }, normals))
    assert.matches("gives %[3, 64, 48%].*is %[3, 48, 64%]", l:fits({ 3, 64, 48 }, normals))
    assert.matches("gives %[3, 24, 32%].*is %[3, 48, 64%]", l:fits({ 3, 24, 32 }, normals))
    assert.matches("compares vectors, but the target is %[%]", l:fits({ 1 }, { kind = "number", shape = {} }))
  end)
end)

describe("loss.kl_div", function()
  it("compares distributions", function()
    local q = { { 0.2, 0.3, 0.5 }, { 0, 1, 0 }, { 0.25, 0.25, 0.5 } }
    assert.near(0.2040185308432241, (compute(loss.kl_div(), logits, q)), 1e-6) -- PyTorch, batchmean
    assert.near(-log_p(logits[2], 1), (compute(loss.kl_div(), { logits[2] }, { q[2] })), 1e-6)
    assert.near(0, (compute(loss.kl_div(), { { math.log(0.2), math.log(0.3), math.log(0.5) } }, { q[1] })), 1e-6)
    local value, remains = compute(loss.kl_div(), logits, { { nan, 0, 0 }, q[2], { 0, 0, nan } })
    assert.near(-log_p(logits[2], 1), value, 1e-6)
    assert.equal(1, remains)
  end)

  it("refuses what is no distribution", function()
    assert.matches("1 of 2 rows", message(compute, loss.kl_div(), { { 0, 0 }, { 0, 0 } }, { { 1, 1 }, { 0.5, 0.5 } }))
    assert.matches("one is below 0", message(compute, loss.kl_div(), { { 0, 0 } }, { { 1.5, -0.5 } }))
  end)
end)

describe("loss.poisson", function()
  it("is exp(pred) - target pred, which may be below 0", function()
    local l = loss.poisson()
    assert.near(-0.531447729732593, (compute(l, { 0.5, -1, 2 }, { 2, 0, 5 })), 1e-6) -- PyTorch
    assert.near(1, (compute(l, { 0, 900 }, { 3, nan })), 1e-6)
    assert.near(math.exp(2) - 10, (compute(l, { { 2 } }, { 5 })), 1e-5)
    assert.is_true(l.negative)
    assert.matches("a target is %-1", message(compute, l, { 0 }, { -1 }))
    local ok = require "mtl.policy".check(require "mtl.policy".focal { through_kpi = true },
      { { name = "visits", loss = l, kpi = require "mtl.kpi".r2() } }, { visits = true })
    assert.matches("its loss may be negative", ok)
  end)
end)

describe("loss.adaptive_robust", function()
  local function rho(x, alpha)
    local b = math.abs(alpha - 2)
    return b / alpha * ((x * x / b + 1) ^ (alpha / 2) - 1)
  end

  it("is Barron's formula for a shape that is given", function()
    local errors = { 0.1, -1, 3, 20 } -- with scale 2; expected: the formula in double precision
    for alpha, expected in pairs { [2] = 12.8128125, [1.5] = 4.611074122917034, [1] = 2.4929836168319546,
      [0.5] = 1.623926844755767, [1e-4] = 1.2012179034692072, [0] = 1.2011574225393804, [-2] = 0.6904933002846072,
      [-8] = 0.5159081636687658 } do
      local l = loss.adaptive_robust { alpha = alpha, scale = 2 }
      assert.near(expected, (compute(l, errors, { 0, 0, 0, 0 })), 2e-6 * math.max(1, expected))
      assert.is_false(l.negative)
      samples.check_gradient(function(x)
        return (l:compute(x, core.zeros(4)))
      end, core.tensor(errors), 4e-3)
    end
    assert.near((compute(loss.mse(), { 1, 3 }, { 0, 1 })) / 2,
      (compute(loss.adaptive_robust { alpha = 2 }, { 1, 3 }, { 0, 1 })), 1e-6)
  end)

  -- log of the integral of exp(-rho): x = sinh(t), the trapezoidal rule
  local function log_partition(alpha)
    local sum, h = 0.5, 1 / 64
    for i = 1, 64 * 64 do
      local t = i * h
      sum = sum + math.exp(-rho((math.exp(t) - math.exp(-t)) / 2, alpha)) * (math.exp(t) + math.exp(-t)) / 2
    end
    return math.log(2 * h * sum)
  end

  it("is a negative log-likelihood where shape and scale are learned", function()
    for _, alpha in ipairs { 0.002, 0.02, 0.1, 0.37, 0.8, 1, 1.3, 1.7, 1.9, 1.97, 1.998 } do
      local l = loss.adaptive_robust { alpha = alpha, scale = 0.5, learn = true }
      assert.is_true(l.negative)
      local slots = l:learned()
      assert.same({ "alpha", "scale" }, { slots[1].name, slots[2].name })
      assert.same({ 1 }, slots[1].shape)
      local expected = (rho(0.2 / 0.5, alpha) + rho(3 / 0.5, alpha)) / 2 + math.log(0.5) + log_partition(alpha)
      local value, remains = l:compute(core.tensor { 0.2, 3, 9 }, core.tensor { 0, 0, nan },
        { core.full({ 1 }, slots[1].value), core.full({ 1 }, slots[2].value) })
      assert.near(expected, value:item(), 1e-5)
      assert.equal(2, remains)
      assert.near(expected, (compute(l, { 0.2, 3 }, { 0, 0 })), 1e-5)
    end
    -- Z(1) = 2 e K_1(1)
    assert.near(1.185495232349193, (compute(loss.adaptive_robust { learn = true }, { 0 }, { 0 })), 1e-6)
  end)

  it("sends gradients to its slots", function()
    local l = loss.adaptive_robust { learn = true, alpha = 1.2 }
    local x, y = core.tensor { 0.1, -0.4, 0.3, 6 }, core.tensor { 0, 0, 0, 0 }
    for _, at in ipairs { { 0.4, 0 }, { -3, 1 }, { 4, -2 } } do
      samples.check_gradient(function(s)
        return (l:compute(x, y, { s:slice(1, 1, 1), s:slice(1, 2, 2) }))
      end, core.tensor(at), 1e-2)
      samples.check_gradient(function(pred)
        return (l:compute(pred, y, { core.full({ 1 }, at[1]), core.full({ 1 }, at[2]) }))
      end, x, 2e-3, 5e-3)
    end
  end)

  it("finds the scale of normal errors, and a heavier tail where there is one", function()
    local function learn(errors)
      local l = loss.adaptive_robust { learn = true }
      local at = { 0, 0 }
      for _ = 1, 400 do
        local slots = { core.full({ 1 }, at[1]):requires_grad(true), core.full({ 1 }, at[2]):requires_grad(true) }
        core.backward { { value = (l:compute(errors, core.zeros(#errors), slots)) } }
        for i = 1, 2 do
          at[i] = at[i] - slots[i]:grad():item()
        end
      end
      local alpha, scale = l:values { core.full({ 1 }, at[1]), core.full({ 1 }, at[2]) }
      return alpha:item(), scale:item()
    end
    local normal = core.normal_(core.zeros(2000), 3, "spec/robust", 0) * 0.3
    local alpha, scale = learn(normal)
    assert.is_true(alpha > 1.75)
    assert.near(0.3, scale, 0.05)
    local outliers = core.cat({ normal:slice(1, 1, 1800), normal:slice(1, 1801, 2000) * 50 }, 1)
    assert.is_true((learn(outliers)) < 0.1)
  end)

  it("refuses what it cannot learn from", function()
    assert.matches("alpha is 2, which should be between", message(loss.adaptive_robust, { alpha = 2, learn = true }))
    assert.matches("scale is 0", message(loss.adaptive_robust, { scale = 0 }))
    assert.is_nil(loss.adaptive_robust():learned())
  end)
end)
