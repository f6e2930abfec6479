-- The focal policy by hand-computed numbers.
local core = require "mtl.core"
local kpis = require "mtl.kpi"
local losses = require "mtl.loss"
local policy = require "mtl.policy"

-- FL(k, gamma) by its definition
local function fl(k, gamma)
  return -(1 - k) ^ gamma * math.log(k)
end

local function near(expected, actual, tolerance)
  assert.equal(#expected, #actual)
  for i = 1, #expected do
    assert.near(expected[i], actual[i], tolerance or 1e-6)
  end
end

describe("policy.focal", function()
  it("weighs by the table of FL", function()
    local table_of = {
      [0] = { 2.302585, 0.693147, 0.105361 },
      [1] = { 2.072327, 0.346574, 0.010536 },
      [2] = { 1.865094, 0.173287, 0.001054 },
    }
    for gamma, expected in pairs(table_of) do
      near(expected, policy.focal({ gamma = gamma }):weights { kpis_ema = { 0.1, 0.5, 0.9 } })
    end
    near(table_of[2], policy.focal():weights { kpis_ema = { 0.1, 0.5, 0.9 } })
  end)

  it("takes a gamma for each task, 2 where none is given", function()
    local w = policy.focal({ gamma = { left = 0, right = 1 } }):weights {
      tasks = { "right", "left", "other" }, kpis_ema = { 0.5, 0.5, 0.5 },
    }
    near({ 0.346574, 0.693147, 0.173287 }, w)
  end)

  it("holds the KPI within floor and 1 - 1e-6", function()
    near({ fl(0.01, 2), fl(0.01, 2), fl(1 - 1e-6, 2) }, policy.focal():weights { kpis_ema = { 0, 0.005, 1 } }, 1e-12)
    near({ fl(0.1, 2) }, policy.focal({ floor = 0.1 }):weights { kpis_ema = { 0 } }, 1e-12)
    assert.is_true(policy.focal():weights({ kpis_ema = { 1 } })[1] > 0)
  end)

  it("weighs a task without a KPI 1, and reads the average, not the batch", function()
    local ctx = { tasks = { "a", "b" }, kpis_ema = { nil, 0.5 }, kpis = { 0.2, 0.9 } }
    near({ 1, fl(0.5, 2) }, policy.focal():weights(ctx))
    -- undefined in this batch: the average stands
    near({ fl(0.3, 2) }, policy.focal():weights { tasks = { "a" }, kpis_ema = { 0.3 }, kpis = {} })
  end)

  it("normalizes to the sum T", function()
    local w = policy.focal({ normalize = true }):weights { kpis_ema = { 0.1, 0.5, 0.9 } }
    assert.near(3, w[1] + w[2] + w[3], 1e-12)
    local scale = 3 / (1.865094 + 0.173287 + 0.001054)
    near({ 1.865094 * scale, 0.173287 * scale, 0.001054 * scale }, w)
    near({ 0, 0 }, policy.focal({ normalize = true, gamma = 80 }):weights { kpis_ema = { 1, 1 } })
  end)

  it("warms: weight 1 for the first n steps of a task", function()
    local p = policy.focal { warm = 3 }
    near({ 1, fl(0.5, 2) }, p:weights { kpis_ema = { 0.5, 0.5 }, since = { 2, 3 } })
    near({ fl(0.5, 2), fl(0.5, 2) }, p:weights { kpis_ema = { 0.5, 0.5 }, since = { 3, 4 } })
    near({ 1, 1 }, p:weights { kpis_ema = { 0.5, 0.5 }, since = { 0, 1 } })
  end)

  it("keeps small weights above the largest / max_ratio", function()
    local w = policy.focal({ max_ratio = 10 }):weights { kpis_ema = { 0.1, 0.5, 0.9 } }
    near({ 1.865094, 0.1865094, 0.1865094 }, w)
  end)

  it("refuses options that make no sense", function()
    assert.has_error(function() policy.focal { gamma = -1 } end)
    assert.has_error(function() policy.focal { gamma = { left = -1 } } end)
    assert.has_error(function() policy.focal { gamma = 0 / 0 } end)
    assert.has_error(function() policy.focal { floor = 0 } end)
    assert.has_error(function() policy.focal { momentum = 1 } end)
    assert.has_error(function() policy.focal { warm = 0.5 } end)
  end)

  it("goes through the KPI only where that is possible", function()
    local through = policy.focal { through_kpi = true }
    local function task(loss, kpi)
      return { name = "t", loss = loss, kpi = kpi }
    end
    local ce, fair = losses.cross_entropy(), kpis.accuracy()
    assert.is_true(through.soft)
    assert.is_false(policy.focal().soft)
    assert.is_nil(policy.check(through, { task(ce, fair) }, {}))
    assert.matches("kpi.top_k", policy.check(through, { task(ce, kpis.top_k()) }, {}), 1, true)
    local negative = losses.custom(function() end, { negative = true })
    assert.matches("negative", policy.check(through, { task(negative, fair) }, {}))
    assert.is_nil(policy.check(policy.focal(), { task(negative, fair) }, {}))
  end)
end)

describe("policy.focal through the KPI", function()
  local function context(soft, old, loss, momentum)
    local ctx = { tasks = {}, kpis_soft = soft, kpis_soft_ema = {}, kpis_soft_old = old, losses = loss }
    ctx.momentum = momentum
    for i = 1, #loss do
      ctx.tasks[i] = "t" .. i
      if soft[i] then
        ctx.kpis_soft_ema[i] = old[i] and momentum * old[i] + (1 - momentum) * soft[i] or soft[i]
      else
        ctx.kpis_soft_ema[i] = old[i]
      end
    end
    return ctx
  end

  -- total as a function of the soft KPIs, the normaliser being a constant
  local function total(p, ctx, scale)
    local sum = 0
    local free = policy.focal { through_kpi = true, gamma = p.gamma, floor = p.floor }
    for i, w in ipairs((free:weights(ctx))) do
      sum = sum + scale * w * ctx.losses[i]
    end
    return sum
  end

  it("agrees with central differences of the total, normalized or not", function()
    local h, soft, old, loss = 1e-5, { 0.3, 0.8, 0.55 }, { 0.4, nil, 0.5 }, { 1.5, 0.2, 0.7 }
    for _, normalize in ipairs { false, true } do
      local p = policy.focal { through_kpi = true, normalize = normalize, kpi_grad_max = 1e9 }
      local ctx = context(soft, old, loss, 0.9)
      local w, c = p:weights(ctx)
      local scale = normalize and w[1] / fl(ctx.kpis_soft_ema[1], 2) or 1
      for i = 1, 3 do
        local up, down = { table.unpack(soft) }, { table.unpack(soft) }
        up[i], down[i] = up[i] + h, down[i] - h
        local slope = (total(p, context(up, old, loss, 0.9), scale) - total(p, context(down, old, loss, 0.9), scale)) /
          (2 * h)
        assert.near(slope, c[i], 1e-6 * math.max(1, math.abs(slope)))
      end
    end
  end)

  it("never pushes a KPI down", function()
    for _, normalize in ipairs { false, true } do
      for _, gamma in ipairs { 0, 0.5, 1, 2, 5 } do
        for _, k in ipairs { 0, 0.01, 0.1, 0.5, 0.9, 0.999, 1 } do
          local p = policy.focal { through_kpi = true, normalize = normalize, gamma = gamma }
          local _, c = p:weights(context({ k, 1 - k, 0.5 }, { 0.5, nil, nil }, { 3, 0.1, 1 }, 0.9))
          for i = 1, 3 do
            assert.is_true(c[i] <= 0)
          end
        end
      end
    end
  end)

  it("is 0 outside of the clamp, and where the batch has no KPI", function()
    local p = policy.focal { through_kpi = true }
    local w, c = p:weights(context({ 0.005, nil, nil }, { nil, 0.5, nil }, { 1, 1, 1 }, 0.9))
    near({ fl(0.01, 2), fl(0.5, 2), 1 }, w)
    near({ 0, 0, 0 }, c)
  end)

  it("caps the slope times the loss at kpi_grad_max times the weight", function()
    local w, c = policy.focal({ through_kpi = true }):weights(context({ 0.1 }, {}, { 2 }, 0.9))
    assert.near(-w[1], c[1], 1e-9) -- the slope there is -12.2
    w, c = policy.focal({ through_kpi = true, kpi_grad_max = 0.5 }):weights(context({ 0.1 }, {}, { 2 }, 0.9))
    assert.near(-w[1] / 2, c[1], 1e-9)
    w, c = policy.focal({ through_kpi = true, kpi_grad_max = 100 }):weights(context({ 0.1 }, {}, { 1 }, 0.9))
    assert.near(1.865094, w[1], 1e-6)
    assert.near(2 * 0.9 * math.log(0.1) - 0.81 / 0.1, c[1], 1e-9) -- seeding: the whole slope
    w, c = policy.focal({ through_kpi = true, kpi_grad_max = 100, momentum = 0.5 }):weights(
      context({ 0.1 }, { 0.1 }, { 1 }, 0.5))
    assert.near(1.865094, w[1], 1e-6)
    assert.near((2 * 0.9 * math.log(0.1) - 0.81 / 0.1) / 2, c[1], 1e-9)
  end)

  -- Two tasks on made-up logits: sum of w(k) L against differences of the whole, computed anew at every point.
  it("gives the gradient of the whole loss with respect to the logits", function()
    local loss, accuracy = losses.cross_entropy(), kpis.accuracy()
    local data = {
      { { { 0.3, -0.2, 0.5 }, { 1.1, 0.4, -0.7 }, { -0.3, 0.2, 0.1 } }, { 2, 0, 0 } },
      { { { 0.9, -1.2, 0.1 }, { 0.1, 0.6, -0.2 }, { 0.5, 0.5, 0.4 } }, { 0, 1, 2 } },
    }
    local old = { 0.35, nil }
    for _, normalize in ipairs { false, true } do
      local p = policy.focal { through_kpi = true, kpi_grad_max = 1e9, normalize = normalize,
        gamma = { t1 = 2, t2 = 1 } }
      local fixed -- the normaliser at the point itself
      local function forward(values)
        local pred, value, soft = {}, {}, {}
        local numbers, kappas = {}, {}
        for i, d in ipairs(data) do
          local target = core.tensor(d[2], "int32")
          pred[i] = core.tensor(values[i]):requires_grad(true)
          value[i], soft[i] = loss:compute(pred[i], target), accuracy:soft(pred[i], target)
          numbers[i], kappas[i] = value[i]:item(), soft[i]:item()
        end
        local ctx = context(kappas, old, numbers, 0.9)
        local w, c = p:weights(ctx)
        local free = { fl(ctx.kpis_soft_ema[1], 2), fl(ctx.kpis_soft_ema[2], 1) }
        fixed = fixed or w[1] / free[1]
        return fixed * (free[1] * numbers[1] + free[2] * numbers[2]), pred, value, soft, w, c
      end
      local points = { data[1][1], data[2][1] }
      local _, pred, value, soft, w, c = forward(points)
      core.backward {
        { value = value[1], scale = w[1] }, { value = soft[1], scale = c[1] },
        { value = value[2], scale = w[2] }, { value = soft[2], scale = c[2] },
      }
      local h = 1e-2 -- single precision
      for i = 1, 2 do
        local grad = pred[i]:grad():totable()
        for row = 1, 3 do
          for column = 1, 3 do
            local x = points[i][row][column]
            points[i][row][column] = x + h
            local up = forward(points)
            points[i][row][column] = x - h
            local down = forward(points)
            points[i][row][column] = x
            assert.near((up - down) / (2 * h), grad[row][column], 2e-4)
          end
        end
      end
    end
  end)
end)
