-- Policies on the rows of J, at the representation, and on three batches: numbers worked by hand.
local core = require "mtl.core"
local policy = require "mtl.policy"
local simplex = require "mtl.solve.simplex"

local classic = { { -4, 1, 1 }, { 6, 1, 1 } } -- of Gramian { { 18, -22 }, { -22, 38 } }
local right = { { 2, 0 }, { 0, 1 } }

local function near(expected, x, tolerance)
  assert.equal(#expected, #x)
  for i = 1, #x do
    if type(x[i]) == "table" then
      near(expected[i], x[i], tolerance)
    else
      assert.near(expected[i], x[i], tolerance or 1e-6)
    end
  end
end

-- Asks a policy; returns the rows that it leaves, then its weights and what it says of heads.
local function ask(p, rows, more)
  local ctx = { rows = core.tensor(rows), losses = {}, step = 1 }
  for i = 1, #rows do
    ctx.losses[i] = 1
  end
  for key, value in pairs(more or {}) do
    ctx[key] = value
  end
  local w, own = p:weights(ctx)
  return ctx.rows:totable(), w, own
end

local function times(k, rows)
  return (core.tensor(rows) * k):totable()
end

describe("the projection on the simplex", function()
  it("is the nearest point", function()
    near({ 0.45, 0.55 }, simplex.project { 0.25, 0.35 }, 1e-12)
    near({ 0, 1 }, simplex.project { -2, -1 }, 1e-12)
    near({ 0.3, 0.7 }, simplex.project { 0.3, 0.7 }, 1e-12)
    near({ 0.5, 0.5, 0 }, simplex.project { 3, 3, 1 }, 1e-12)
    near({ 1 }, simplex.project { -7 }, 1e-12)
  end)
end)

describe("modo", function()
  it("moves shares down the slope of two batches", function()
    near({ 0.45, 0.55 }, policy.modo({ gamma = 0.1, rho = 0 }):new():weights { gram = { { 4, 1 }, { 1, 2 } } }, 1e-12)
    near({ 0, 1 }, policy.modo({ gamma = 1 }):new():weights { gram = { { 4, 1 }, { 1, 2 } } }, 1e-12)
    near({ 0.505, 0.495 }, policy.modo():new():weights { gram = { { 18, -22 }, { -22, 38 } } }, 1e-12)
    -- not symmetric: rows are of the first batch. Slope (1, 3) / 2
    near({ 0.55, 0.45 }, policy.modo({ gamma = 0.1 }):new():weights { gram = { { 1, 0 }, { 1, 2 } } }, 1e-12)
  end)

  it("keeps its shares, and lets a new task begin at 1/T", function()
    local p = policy.modo({ gamma = 0.1, rho = 0 }):new()
    local ctx = { gram = { { 4, 1 }, { 1, 2 } }, tasks = { "a", "b" } }
    p:weights(ctx)
    near({ 0.41, 0.59 }, p:weights(ctx), 1e-12) -- slope (2.35, 1.55)
    ctx.since = { 3, 0 } -- shares (.41, .5) / .91
    local a, b = 0.41 / 0.91, 0.5 / 0.91
    local move = 0.1 * ((4 * a + b) - (a + 2 * b)) / 2
    near({ a - move, b + move }, p:weights(ctx), 1e-12)
  end)
end)

describe("sdmgrad", function()
  it("steps in the scale of the gradients, held near the mean", function()
    local s2 = 14 + math.sqrt(684) / 2
    local cases = {
      { { { 4, 0 }, { 0, 4 } }, {}, { 0.5, 0.5 } },
      { { { 1, 0 }, { 0, 4 } }, { iterations = 1, lr = 0.1 }, { 0.8 / 1.5, 0.7 / 1.5 } },
      { { { -1, 0 }, { 0, 4 } }, { iterations = 1, lr = 0.1, lambda = 0 }, { 0.625, 0.375 } },
      { { { 18, -22 }, { -22, 38 } }, { iterations = 1, lr = 0.01, lambda = 0 },
        { 0.5 + 0.05 / s2, 0.5 - 0.05 / s2 } },
      -- momentum: slopes (4/9, 16/9) / 2, then at (.5 + 1/15, .5 - 1/15)
      { { { 1, 0 }, { 0, 4 } }, { iterations = 2, lr = 0.1, lambda = 0 }, (function()
        local a, b = 4 / 9, 16 / 9
        local va, vb = a / 2, b / 2
        local w = 0.5 + 0.05 * (vb - va)
        va, vb = va / 2 + a * w, vb / 2 + b * (1 - w)
        w = w + 0.05 * (vb - va)
        return { w, 1 - w }
      end)() },
      { { { 0, 0 }, { 0, 0 } }, {}, { 0.5, 0.5 } },
    }
    for _, case in ipairs(cases) do
      near(case[3], policy.sdmgrad(case[2]):new():weights { gram = case[1] }, 1e-7)
    end
  end)

  it("with lambda = 0 goes to MGDA's weights where it is asked often", function()
    local p, w = policy.sdmgrad({ lambda = 0, lr = 0.5 }):new(), nil
    for _ = 1, 200 do
      w = p:weights { gram = { { 4, 0 }, { 0, 1 } } }
    end
    near({ 0.2, 0.8 }, w)
  end)
end)

describe("moco", function()
  it("averages gradients from 0", function()
    local p = policy.moco({ gamma = 0 }):new()
    local rows, w = ask(p, classic)
    near(times(0.5, classic), rows)
    near({ 0.5, 0.5 }, w)
    near(times(0.5 + 0.25 / math.sqrt(2), classic), (ask(p, classic)))
    near({ { 0, 0, 0 }, { 3, 0.5, 0.5 } }, (ask(policy.moco():new(), { { 0, 0, 0 }, classic[2] })))
  end)

  it("moves shares down the slope of the averages", function()
    local p = policy.moco({ gamma = 0.1, gamma_sigma = 0 }):new()
    local _, w = ask(p, classic) -- YY' = G / 4: slope (-.5, 2)
    near({ 0.625, 0.375 }, w)
    w = select(2, ask(policy.moco({ gamma = 0.1, rho = 2 }):new(), right)) -- slope (.5, .125) + 1
    near({ 0.5 - 0.01875, 0.5 + 0.01875 }, w)
  end)

  it("does as the published code does where asked to", function()
    local p = policy.moco({ variant = "code" }):new()
    local rows, w = ask(p, right, { losses = { 2, 4 } })
    near({ { 1, 0 }, { 0, 2 } }, rows)
    local first = 1 / (1 + math.exp(-0.15)) -- softmax(.45, .3)
    near({ first, 1 - first }, w)
  end)

  it("keeps shares for `every` steps, while averages move", function()
    local p = policy.moco({ gamma = 0.1, gamma_sigma = 0, every = 2 }):new()
    local _, first = ask(p, classic)
    local rows, second = ask(p, classic)
    near(first, second, 0)
    near(times(0.5 + 0.25 / math.sqrt(2), classic), rows)
    local _, third = ask(p, classic)
    assert.is_true(third[1] ~= second[1])
  end)
end)

describe("db_mtl", function()
  it("balances log losses and lengths", function()
    local rows, w, own = ask(policy.db_mtl({ beta = 0 }):new(), right, { losses = { 2, 0.5 } })
    near({ { 1, 0 }, { 0, 2 } }, rows)
    near({ 2, 1 }, w)
    near({ 0.5, 2 }, own)
    rows, w = ask(policy.db_mtl():new(), classic)
    near(times(0.1, classic), rows)
    near({ math.sqrt(38 / 18), 1 }, w)
  end)

  it("averages from 0, and stays finite for gradients that are 0", function()
    local p = policy.db_mtl():new()
    ask(p, right)
    near(times(0.19, right), (ask(p, right)))
    p = policy.db_mtl({ beta = 0.8, sigma = 1 }):new()
    ask(p, right) -- .2 g; then beta / 2: .4 of .2 g, .6 of g
    near(times(0.68, right), (ask(p, right)))
    local _, w = ask(policy.db_mtl():new(), { { 0, 0 }, { 3, 4 } })
    near({ 1, 1 }, w)
  end)
end)

describe("excess_mtl", function()
  it("records the first step, then weighs by risks relative to it", function()
    local p = policy.excess_mtl():new()
    local rows, w = ask(p, classic)
    near(classic, rows)
    near({ 1, 1 }, w)
    w = select(2, ask(p, { times(2, { classic[1] })[1], classic[2] }))
    local a, b = math.exp(0.01 * 4 / math.sqrt(5)), math.exp(0.01 / math.sqrt(2))
    near({ 2 * a / (a + b), 2 * b / (a + b) }, w)
  end)

  it("is blind to the gradients' units, and finite where one is 0", function()
    local p, q = policy.excess_mtl({ eta = 1 }):new(), policy.excess_mtl({ eta = 1 }):new()
    local w, v
    for step = 1, 3 do
      local rows = { { step, 1 }, { 2, 5 - step } }
      w = select(2, ask(p, rows))
      v = select(2, ask(q, times(1000, rows)))
    end
    near(w, v, 1e-4)
    p = policy.excess_mtl():new()
    ask(p, { { 0, 0 }, { 1, 0 } })
    w = select(2, ask(p, { { 0, 0 }, { 1, 0 } }))
    local b = math.exp(0.01 / math.sqrt(2))
    near({ 2 / (1 + b), 2 * b / (1 + b) }, w)
  end)
end)

describe("graddrop", function()
  local x = core.tensor { { 1, -1 }, { 3, -2 } }

  local function drop(rows, step, options)
    return ask(policy.graddrop(options):new(), rows, { representation = x, step = step })
  end

  it("passes gradients of one sign, and where they conflict those of a sign drawn by its share", function()
    -- sign(x) times the gradients: c = (2, -2) and (2, 2): P = 1 at place 1, 1/2 at place 2
    local a, b = { { 1, 1 }, { 1, 1 } }, { { 1, -1 }, { 1, -1 } }
    local first = 0
    for step = 1, 400 do
      local rows, w = drop({ a, b }, step)
      near({ 1, 1 }, w)
      near({ 1, 1, 1, 1 }, { rows[1][1][1], rows[1][2][1], rows[2][1][1], rows[2][2][1] })
      local passed = rows[1][1][2] == 1
      near(passed and { 1, 1, 0, 0 } or { 0, 0, -1, -1 },
        { rows[1][1][2], rows[1][2][2], rows[2][1][2], rows[2][2][2] })
      first = first + (passed and 1 or 0)
    end
    assert.is_true(first > 150 and first < 250)
  end)

  it("weighs signs by their sizes: c = 3 and -1 passes the first in 3 of 4 draws", function()
    local first = 0
    for step = 1, 400 do
      local rows = drop({ { { 3, 0 }, { 0, 0 } }, { { -1, 0 }, { 0, 0 } } }, step)
      first = first + rows[1][1][1] / 3
    end
    assert.is_true(first > 265 and first < 335)
  end)

  it("lets a share leak, and is the same for the same step", function()
    local rows = { { { 1, 1 }, { 1, 1 } }, { { 1, -1 }, { 1, -1 } } }
    near(rows, (drop(rows, 1, { leak = 1 })))
    local some = drop(rows, 5, { leak = 0.25 })
    local none = drop(rows, 5)
    for i = 1, 2 do
      for k = 1, 2 do
        for j = 1, 2 do
          near({ 0.25 * rows[i][k][j] + 0.75 * none[i][k][j] }, { some[i][k][j] })
        end
      end
    end
    near(none, (drop(rows, 5)))
  end)
end)

-- What holds for all of them, over three steps of their histories.
describe("every policy on rows or several batches", function()
  local function rows_of(seed, n)
    local rows = {}
    for i = 1, n do
      rows[i] = core.normal_(core.zeros(5), seed, "rows_spec/" .. i, 0, 0.1, 1):totable()
    end
    return rows
  end

  local function gram_of(rows)
    return core.products(core.tensor(rows), core.tensor(rows))
  end

  -- What the weights of the last of some steps make of its rows, and those weights.
  local function after(name, steps)
    local p, w, rows = policy[name]():new(), nil, nil
    for k, given in ipairs(steps) do
      if p.needs == "gram" then
        w, rows = p:weights { gram = gram_of(given), step = k }, given
      else
        local x = core.tensor { { 1, -1, 2, 1, -1 } }
        local as = p.at == "representation" and core.tensor(given):reshape(#given, 1, 5) or core.tensor(given)
        local ctx = { rows = as, representation = x, losses = {}, step = k }
        for i = 1, #given do ctx.losses[i] = 1 end
        w = p:weights(ctx)
        rows = as:reshape(#given, 5):totable()
      end
    end
    local d = { 0, 0, 0, 0, 0 }
    for i = 1, #rows do
      for k = 1, 5 do d[k] = d[k] + w[i] * rows[i][k] end
    end
    return d, w
  end

  local names = {}
  for _, name in ipairs(policy.names()) do
    local p = name ~= "custom" and name ~= "fixed" and name ~= "crmogm" and policy[name]()
    if p and (p.needs == "rows" or p.batches > 1) then
      names[#names + 1] = name
    end
  end
  assert(#names >= 6)

  for _, name in ipairs(names) do
    it(name .. " goes along a task's own gradient where it is alone", function()
      local d = after(name, { { { 3, 4, 0, 0, 0 } }, { { 3, 4, 0, 0, 0 } } })
      assert.is_true(d[1] > 0)
      near({ 0, 0, 0, 4 / 3 }, { d[3], d[4], d[5], d[2] / d[1] })
    end)

    it(name .. " does not mind the order of tasks", function()
      for seed = 1, 5 do
        local steps, turned = {}, {}
        for k = 1, 3 do
          local rows = rows_of(10 * seed + k, 3)
          steps[k], turned[k] = rows, { rows[3], rows[1], rows[2] }
        end
        near((after(name, steps)), (after(name, turned)), 1e-5)
      end
    end)

    it(name .. " stays finite for zero, equal and opposed gradients", function()
      local one, zero = { 1, 2, 0, -1, 3 }, { 0, 0, 0, 0, 0 }
      local back = { -1, -2, 0, 1, -3 }
      for _, rows in ipairs { { zero, zero }, { one, one }, { one, back }, { one, zero }, { one, back, zero } } do
        local d, w = after(name, { rows, rows, rows })
        for _, x in ipairs(w) do
          assert.is_true(x == x and math.abs(x) < 1e20)
        end
        for _, x in ipairs(d) do
          assert.is_true(x == x and math.abs(x) < 1e20)
        end
      end
    end)
  end
end)
