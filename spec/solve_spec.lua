-- The small solvers of the policies: against closed forms, and the conditions of the minimum on random problems.
local cholesky = require "mtl.solve.cholesky"
local core = require "mtl.core"
local dual_cone = require "mtl.solve.dual_cone"
local eigen = require "mtl.solve.eigen"
local gramian = require "mtl.gramian"
local newton = require "mtl.solve.newton"
local simplex = require "mtl.solve.simplex"
local spectral = require "mtl.solve.spectral"

-- A random Gramian of n gradients of `width` numbers; the squares run over `spread` powers of ten.
local function random_gram(n, width, seed, spread)
  local flat = core.normal_(core.zeros(n * width), seed, "solve_spec", 0, 0.3, 1):totable()
  local g = {}
  for i = 1, n do
    g[i] = {}
    for j = 1, n do
      local sum = 0
      for k = 1, width do
        sum = sum + flat[(i - 1) * width + k] * flat[(j - 1) * width + k]
      end
      g[i][j] = sum * 10 ^ ((spread or 0) * ((i + j) / 2 - 1) / math.max(n - 1, 1))
    end
  end
  return g
end

-- Each case is told to f: sizes, fewer dimensions than tasks, scales.
local function each(f)
  for _, n in ipairs { 1, 2, 3, 5, 10, 20 } do
    for seed = 1, 4 do
      for _, width in ipairs { 1, math.max(n // 2, 1), n + 3 } do
        for _, scale in ipairs { 1e-12, 1, 1e12 } do
          f(gramian.rescaled(random_gram(n, width, seed), gramian.fill(n, scale ^ 0.5)), n, width)
        end
      end
    end
  end
end

local function largest_of(g)
  local most = 0
  for i = 1, #g do
    most = math.max(most, g[i][i])
  end
  return most
end

local function sum_of(w)
  local sum = 0
  for i = 1, #w do
    sum = sum + w[i]
  end
  return sum
end

local function near(expected, w, tolerance)
  assert.equal(#expected, #w)
  for i = 1, #w do
    assert.near(expected[i], w[i], tolerance or 1e-12)
  end
end

describe("simplex.shortest", function()
  it("has the closed form of two gradients", function()
    near({ 0.25, 0.75 }, (simplex.shortest { { 4, 1 }, { 1, 2 } }))
    near({ 0, 1 }, (simplex.shortest { { 4, 2 }, { 2, 1 } }))
    for seed = 1, 200 do
      local g = random_gram(2, 2, seed)
      local share = (g[2][2] - g[1][2]) / (g[1][1] + g[2][2] - 2 * g[1][2])
      share = math.max(0, math.min(1, share))
      near({ share, 1 - share }, (simplex.shortest(g)), 1e-9)
    end
  end)

  it("meets the conditions of the minimum", function()
    each(function(g)
      local w, most = simplex.shortest(g), largest_of(g)
      local gw = gramian.times(g, w)
      local square = gramian.dot(w, gw)
      assert.near(1, sum_of(w), 1e-12)
      for i = 1, #g do
        assert.is_true(w[i] >= 0)
        assert.is_true(gw[i] >= square - 1e-8 * most)
        assert.is_true(w[i] * math.abs(gw[i] - square) <= 1e-8 * most)
      end
    end)
  end)

  it("keeps the balance of gradients that are small beside another", function()
    near({ 1e-12, 0.5, 0.5 }, (simplex.shortest { { 1, 0, 0 }, { 0, 2e-12, 0 }, { 0, 0, 2e-12 } }), 1e-11)
  end)

  it("takes gradients of length 0, equal ones and opposed ones", function()
    near({ 0.5, 0.5 }, (simplex.shortest { { 0, 0 }, { 0, 0 } }))
    near({ 0, 1 }, (simplex.shortest { { 1, 0 }, { 0, 0 } }))
    near({ 0.5, 0.5 }, (simplex.shortest { { 1, -1 }, { -1, 1 } }))
    assert.near(1, sum_of((simplex.shortest { { 1, 1 }, { 1, 1 } })), 1e-12)
  end)
end)

describe("simplex.averse", function()
  local function objective(g, w, c)
    local mean = gramian.fill(#g, 1 / #g)
    return gramian.dot(w, gramian.times(g, mean)) + c * math.sqrt(gramian.square(g, mean) * gramian.square(g, w))
  end

  it("is no worse than any point of a fine grid", function()
    for seed = 1, 20 do
      for _, c in ipairs { 0.1, 0.5, 0.9 } do
        local g = random_gram(2, 2, seed)
        local best = objective(g, simplex.averse(g, c), c)
        for k = 0, 1000 do
          assert.is_true(best <= objective(g, { k / 1000, 1 - k / 1000 }, c) + 1e-9 * largest_of(g))
        end
      end
    end
  end)

  it("finds the minimum between two that are all but opposed", function()
    -- (10, 3) and (-10.01, -3.002): the mean is short, and with a small c one of them has all the weight
    local g = { { 109, -109.106 }, { -109.106, 109.212104 } }
    for _, c in ipairs { 0.1, 0.5, 1 } do
      local best = objective(g, simplex.averse(g, c), c)
      for k = 0, 1000 do
        assert.is_true(best <= objective(g, { k / 1000, 1 - k / 1000 }, c) + 1e-9)
      end
    end
    near({ 1, 0 }, simplex.averse(g, 0.1))
  end)

  it("meets the conditions of the minimum", function()
    each(function(g, n)
      local c, mean = 0.5, gramian.fill(n, 1 / n)
      local w, b, most = simplex.averse(g, c), gramian.times(g, mean), largest_of(g)
      local k, gw = c * math.sqrt(gramian.dot(b, mean)), gramian.times(g, w)
      local length = math.sqrt(gramian.square(g, w))
      assert.near(1, sum_of(w), 1e-12)
      if length > 1e-6 * most ^ 0.5 then
        local least, value = math.huge, 0
        for i = 1, n do
          local slope = b[i] + k * gw[i] / length
          least, value = math.min(least, slope), value + w[i] * slope
        end
        assert.is_true(value - least <= 1e-8 * most) -- bounds how far the objective is from its minimum
      else
        assert.is_true(objective(g, w, c) <= objective(g, mean, c) + 1e-8 * most)
      end
    end)
  end)
end)

describe("dual_cone", function()
  it("projects on the cone of the gradients", function()
    near({ 0.5, 11 / 38 }, dual_cone({ { 18, -22 }, { -22, 38 } }, { 0.5, 0 }))
    near({ 0.5, 0.5 }, dual_cone({ { 1, -1 }, { -1, 1 } }, { 0.5, 0.5 }))
    near({ 0.5, 0.5 }, dual_cone({ { 0, 0 }, { 0, 1 } }, { 0.5, 0.5 }))
  end)

  it("meets the conditions of the minimum", function()
    each(function(g, n)
      local u = gramian.fill(n, 1 / n)
      u[1] = 0
      local v, most = dual_cone(g, u), largest_of(g)
      local gv = gramian.times(g, v)
      for i = 1, n do
        assert.is_true(v[i] >= u[i])
        assert.is_true(gv[i] >= -1e-8 * most)
        assert.is_true((v[i] - u[i]) * math.abs(gv[i]) <= 1e-8 * most)
      end
    end)
  end)
end)

describe("newton", function()
  it("has the closed form of one and of independent gradients", function()
    near({ 0.5, 0.25 }, (newton({ { 4, 0 }, { 0, 16 } }, 1)), 1e-14)
    near({ 4 ^ (-2 / 3) }, (newton({ { 4 } }, 0.5)), 1e-12)
    near({ 4 ^ (-1 / 3) }, (newton({ { 4 } }, 2)), 1e-12)
  end)

  it("solves G w = w^-p at every size", function()
    for _, p in ipairs { 1, 0.5, 2 } do
      each(function(g, n)
        for i = 1, n do
          g[i][i] = g[i][i] + 1e-8 * largest_of(g)
        end
        local w, residual = newton(g, p)
        local gw = gramian.times(g, w)
        for i = 1, n do
          local size = w[i] ^ -p
          for j = 1, n do
            size = size + math.abs(g[i][j] * w[j])
          end
          assert.is_true(w[i] > 0)
          assert.is_true(math.abs(gw[i] - w[i] ^ -p) <= 1e-8 * size)
        end
        assert.is_true(residual < 3e-8 * n) -- of singular ones: the rounding of w itself, times 1e8
      end)
    end
  end)
end)

describe("eigen", function()
  it("knows the textbook's", function()
    local values, vectors = eigen { { 2, 1 }, { 1, 2 } }
    near({ 3, 1 }, values)
    assert.near(0.5, vectors[1][1] * vectors[1][2], 1e-12)
    near({ 0, 0 }, (eigen { { 0, 0 }, { 0, 0 } }))
  end)

  it("rebuilds the matrix from values and orthonormal vectors", function()
    each(function(g, n)
      local values, v = eigen(g)
      for i = 1, n do
        assert.is_true(i == 1 or values[i] <= values[i - 1])
        for j = 1, n do
          assert.near(i == j and 1 or 0, gramian.dot(v[i], v[j]), 1e-12)
          local sum = 0
          for k = 1, n do
            sum = sum + values[k] * v[k][i] * v[k][j]
          end
          assert.near(g[i][j], sum, 1e-12 * n * largest_of(g))
        end
      end
    end)
  end)
end)

describe("spectral and cholesky", function()
  it("solve", function()
    near({ 0.25, 0.25 }, (spectral({ { 1, 1 }, { 1, 1 } }, { 0.5, 0.5 })))
    near({ 0, 0 }, (spectral({ { 0, 0 }, { 0, 0 } }, { 1, 1 })))
    near({ 1, 1 }, cholesky({ { 2, 1 }, { 1, 2 } }, { 3, 3 }))
    assert.is_nil(cholesky({ { 1, 2 }, { 2, 1 } }, { 1, 1 }))
    local g = random_gram(6, 9, 3)
    near(cholesky(g, { 1, 2, 3, 4, 5, 6 }), (spectral(g, { 1, 2, 3, 4, 5, 6 })), 1e-9)
  end)
end)
