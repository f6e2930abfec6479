-- The policies on Gramians: numbers worked by hand, and what holds for all of them, by walking the registry.
local core = require "mtl.core"
local gramian = require "mtl.gramian"
local policy = require "mtl.policy"

local classic = { { -4, 1, 1 }, { 6, 1, 1 } } -- TorchJD's example

local function gram_of(rows)
  local g = {}
  for i, a in ipairs(rows) do
    g[i] = {}
    for j, b in ipairs(rows) do
      g[i][j] = gramian.dot(a, b)
    end
  end
  return g
end

local function mix(rows, w)
  local d = {}
  for k = 1, #rows[1] do
    d[k] = 0
    for i = 1, #rows do
      d[k] = d[k] + w[i] * rows[i][k]
    end
  end
  return d
end

local function unit(d)
  return gramian.scaled(d, 1 / math.sqrt(gramian.dot(d, d)))
end

local function near(expected, x, tolerance)
  assert.equal(#expected, #x)
  for i = 1, #x do
    assert.near(expected[i], x[i], tolerance or 1e-10)
  end
end

local function random_rows(n, width, seed)
  local rows = {}
  for i = 1, n do
    rows[i] = core.normal_(core.zeros(width), seed, "gram_spec/" .. i, 0, 0.1, 1):totable()
  end
  return rows
end

local function make(name, options)
  if name == "crmogm" then
    return policy.crmogm({ policy.mgda() }):new()
  end
  return policy[name](options):new()
end

local function weigh(name, rows, options, more)
  local ctx = { gram = gram_of(rows), losses = gramian.fill(#rows, 1) }
  for key, value in pairs(more or {}) do
    ctx[key] = value
  end
  return make(name, options):weights(ctx)
end

local function step(name, rows, options)
  return mix(rows, weigh(name, rows, options))
end

-- Policies that are functions of a Gramian with nothing else to be told.
local names = {}
for _, name in ipairs(policy.names()) do
  local p = name ~= "custom" and name ~= "fixed" and make(name)
  if p and p.needs == "gram" and p.at == "shared" and p.batches == 1 and not p.total then
    names[#names + 1] = name
  end
end

-- The length of the step for one task of gradient g, as a multiple of it, where it is not 1.
local alone = {
  cagrad = function() return 1.5 end, -- 1 + c
  nash_mtl = function(length) return 1 / length end,
  fairgrad = function(length) return 1 / length end,
}

describe("every policy on a Gramian", function()
  assert(#names >= 10)
  for _, name in ipairs(names) do
    describe(name, function()
      it("gives one task its own gradient", function()
        local scale = alone[name] and alone[name](5) or 1
        near({ scale }, weigh(name, { { 3, 4 } }), 1e-7)
      end)

      it("permutes weights with the tasks", function()
        for seed = 1, 10 do
          local rows = random_rows(2, 5, seed)
          local w = weigh(name, rows)
          near({ w[2], w[1] }, weigh(name, { rows[2], rows[1] }), 1e-8)
          rows = random_rows(4, 7, seed)
          if name == "pcgrad" or name == "gradvac" then -- in any order, where every gradient is at peace
            rows = { { 1, 0, 0 }, { 1, 1, 0 }, { 0, 1, 2 }, { seed, 0, 0 } }
          end
          w = weigh(name, rows)
          near({ w[3], w[1], w[4], w[2] }, weigh(name, { rows[3], rows[1], rows[4], rows[2] }), 1e-8)
        end
      end)

      it("stays finite for zero, equal, opposed and parallel gradients", function()
        local hard = { { { 0, 0 }, { 0, 0 } }, { { 1, 2 }, { 1, 2 } }, { { 1, 2 }, { -1, -2 } }, { { 1, 2 }, { 0, 0 } },
          { { 1, 2 }, { -3, -6 } }, { { 0, 0 }, { 0, 0 }, { 0, 0 } }, { { 1, 2 }, { 1, 2 }, { 1, 2 } },
          { { 1, 2 }, { -1, -2 }, { 1, 2 } }, { { 1, 2 }, { -1, -2 }, { 0, 0 } }, { { 1, 2 }, { 0, 0 }, { 2, -1 } },
          { { 1e-6, 0 }, { 0, 1e6 }, { -1e6, 1 } }, { { 1, 0 }, { -1, 1e-9 }, { -1, -1e-9 } } }
        for _, rows in ipairs(hard) do
          local w = weigh(name, rows)
          assert.equal(#rows, #w)
          for _, x in ipairs(w) do
            assert.is_true(x == x and math.abs(x) < 1e20)
          end
        end
      end)
    end)
  end
end)

describe("on J = [[-4, 1, 1], [6, 1, 1]]", function()
  -- As TorchJD documents them to four places, where it adds nothing to the diagonal.
  local published = { mgda = { 0, 1, 1 }, pcgrad = { 0.5848, 3.8012, 3.8012 }, cagrad = { 0.1835, 1.2041, 1.2041 },
    imtl_g = { 0.0767, 1, 1 }, aligned_mtl = { 0.2133, 0.9673, 0.9673 }, config = { 0.1588, 2.0706, 2.0706 } }
  for name, d in pairs(published) do
    it(name, function()
      near(d, step(name, classic), 6e-5)
    end)
  end

  it("upgrad and dualproj, exactly; TorchJD's regularised values are within 1e-3", function()
    -- G = [[18, -22], [-22, 38]]. v1 = (1, 22/38)/2, v2 = (22/18, 1)/2
    near({ 0.5 + 11 / 18, 0.5 + 11 / 38 }, weigh("upgrad", classic))
    near({ 0.2929, 1.9004, 1.9004 }, step("upgrad", classic), 1e-3)
    near({ 11 / 18, 0.5 }, weigh("dualproj", classic)) -- row 1 of G v = -2 at v = 1/2
    near({ 0.5563, 1.1109, 1.1109 }, step("dualproj", classic), 1e-3)
  end)

  it("nash_mtl, clipped to 1 as TorchJD does", function()
    near({ 0.0542, 0.7061, 0.7061 }, unit(step("nash_mtl", classic)), 6e-5)
  end)

  it("fairgrad: with two tasks w_i = 1 / (|g_i| sqrt(1 + cosine))", function()
    local root = math.sqrt(1 - 22 / math.sqrt(684))
    near({ 1 / math.sqrt(18) / root, 1 / math.sqrt(38) / root }, weigh("fairgrad", classic), 1e-6)
  end)

  it("gradvac's first step is pcgrad's, for all goals are 0", function()
    near(weigh("pcgrad", classic), weigh("gradvac", classic))
  end)
end)

describe("worked by hand", function()
  local right = { { 2, 0 }, { 0, 1 } } -- at a right angle
  local cases = {
    { "mgda", right, { 0.2, 0.8 } }, { "mgda", right, { 0.4, 1.6 }, { sum = true } },
    { "mgda", right, { 0.5, 0.5 }, { norm = "l2" } }, { "mgda", right, { 0.25, 0.5 }, { norm = "l2", mix = "normed" } },
    { "mgda", { { 1, 0 }, { 3, 0 } }, { 1, 0 } },
    { "pcgrad", right, { 1, 1 } }, { "pcgrad", { { 1, 0 }, { -1, 1 } }, { 2, 1.5 } },
    { "pcgrad", { { 1, 0 }, { -1, 1 } }, { 1, 0.75 }, { mean = true } },
    { "gradvac", right, { 1, 1 } }, { "gradvac", { { 1, 0 }, { -1, 1 } }, { 2, 1.5 } },
    { "cagrad", right, { 0.5, 0.5 }, { c = 0 } },
    { "cagrad", { { 1, 0 }, { 0, 1 } }, { 0.75, 0.75 } },
    { "cagrad", { { 1, 0 }, { 0, 1 } }, { 0.6, 0.6 }, { rescale = 1 } },
    { "cagrad", { { 1, 0 }, { 0, 1 } }, { 1, 1 }, { rescale = 2, sum = true } },
    { "imtl_g", right, { 1 / 3, 2 / 3 } }, { "imtl_g", { { 1, 0 }, { 1, 1 } }, { 2 - 2 ^ 0.5, 2 ^ 0.5 - 1 } },
    { "imtl_g", { { 1, 0 }, { -1, 0 } }, { 0.5, 0.5 } },
    { "nash_mtl", right, { 0.5, 1 } }, { "nash_mtl", { { 1, 0 }, { 1, 0 } }, { 0.5 ^ 0.5, 0.5 ^ 0.5 } },
    { "nash_mtl", { { 2, 0 }, { 0, 0 } }, { 0.5, 0 } },
    { "fairgrad", right, { 0.5, 1 } }, { "fairgrad", right, { 4 ^ (-2 / 3), 1 }, { a = 2 } },
    { "fairgrad", right, { 4 ^ (-1 / 3), 1 }, { a = 0.5 } },
    { "aligned_mtl", right, { 0.25, 0.5 } }, { "aligned_mtl", right, { 0.5, 1 }, { sum = true } },
    { "aligned_mtl", { { 1, 0 }, { 1, 0 } }, { 0.5, 0.5 } },
    { "upgrad", right, { 0.5, 0.5 } }, { "upgrad", { { 1, 0 }, { -1, 1 } }, { 1, 0.75 } },
    { "dualproj", right, { 0.5, 0.5 } }, { "dualproj", { { 1, 0 }, { -2, 1 } }, { 1, 0.5 } },
    { "config", right, { 0.75, 1.5 } }, { "config", { { 1, 0 }, { -1, 0 } }, { 0, 0 } },
    { "config", { { 1, 0 }, { 0, 0 } }, { 1, 0 } },
  }
  for k, case in ipairs(cases) do
    it(case[1] .. " " .. k, function()
      near(case[3], weigh(case[1], case[2], case[4]), 3e-8) -- cagrad carries 1e-8, nash_mtl 1e-8 of the trace
    end)
  end

  it("mgda by losses, and its refusals", function()
    near({ 0.5, 0.5 }, weigh("mgda", right, { norm = "loss" }, { losses = { 2, 1 } }))
    near({ 0.8, 0.2 }, weigh("mgda", right, { norm = "loss+" }, { losses = { 2, 1 } }))
    assert.is_true(policy.mgda({ norm = "loss" }).positive)
    assert.has_error(function() return policy.mgda { pool = "sum" } end)
    assert.equal("representation", policy.mgda({ at = "representation" }).at)
  end)

  it("upgrad and dualproj with preferences", function()
    local more = { tasks = { "a", "b" } }
    near({ 0.7, 0.5 }, weigh("upgrad", right, { pref = { a = 0.7 } }, more))
    near({ 0.7, 0.5 }, weigh("dualproj", right, { pref = { a = 0.7 } }, more))
    assert.matches("did you mean 'a1'", policy.check(policy.upgrad { pref = { a = 1 } }, {}, { a1 = true, b1 = true }))
  end)
end)

describe("scale", function()
  for _, name in ipairs { "imtl_g", "nash_mtl", "config" } do
    it("of a task's gradient does not turn " .. name, function()
      for seed = 1, 10 do
        local rows, other = random_rows(3, 5, seed), {}
        for i, k in ipairs { 0.5, 3, 1 } do
          other[i] = gramian.scaled(rows[i], k)
        end
        near(unit(step(name, rows)), unit(step(name, other)), 1e-5)
      end
    end)
  end

  for _, name in ipairs(names) do
    if name ~= "nash_mtl" and name ~= "fairgrad" then
      it("of all gradients together leaves the weights of " .. name, function()
        local rows, large = random_rows(3, 5, 4), {}
        for i, row in ipairs(rows) do
          large[i] = gramian.scaled(row, 1000)
        end
        near(weigh(name, rows), weigh(name, large), 1e-7)
      end)
    end
  end
end)

describe("with two tasks", function()
  it("upgrad is pcgrad's mean; nash_mtl and imtl_g go along u1 + u2", function()
    for seed = 1, 20 do
      local rows = random_rows(2, 4, seed)
      near(weigh("pcgrad", rows, { mean = true }), weigh("upgrad", rows))
      local u1, u2, along = unit(rows[1]), unit(rows[2]), {}
      for k = 1, 4 do
        along[k] = u1[k] + u2[k]
      end
      local d = unit(step("imtl_g", rows))
      near(unit(along), gramian.scaled(d, gramian.dot(d, along) > 0 and 1 or -1), 1e-9)
      near(unit(along), unit(step("nash_mtl", rows)), 1e-5)
    end
  end)
end)

describe("the Gramian's form equals the vectors'", function()
  local function add(a, k, b)
    for i = 1, #a do
      a[i] = a[i] + k * b[i]
    end
  end

  it("pcgrad", function()
    for seed = 1, 10 do
      local n, rows, p = 2 + seed % 4, random_rows(2 + seed % 4, 6, seed), policy.pcgrad():new()
      local d = gramian.fill(6, 0)
      for i, order in ipairs(gramian.orders(p, { step = seed }, n)) do
        local g = { table.unpack(rows[i]) }
        for _, j in ipairs(order) do
          local dot = gramian.dot(g, rows[j])
          add(g, dot < 0 and -dot / gramian.dot(rows[j], rows[j]) or 0, rows[j])
        end
        add(d, 1, g)
      end
      near(d, mix(rows, p:weights { gram = gram_of(rows), step = seed }))
    end
  end)

  it("gradvac, over steps, and by slices", function()
    local n, p, sliced, goal = 3, policy.gradvac({ beta = 0.5 }):new(), policy.gradvac({ beta = 0.5 }):new(), {}
    for time = 1, 6 do
      local rows, d = random_rows(n, 5, time), gramian.fill(5, 0)
      for i, order in ipairs(gramian.orders(p, { step = time }, n)) do
        local g = { table.unpack(rows[i]) }
        goal[i] = goal[i] or { 0, 0, 0 }
        for _, j in ipairs(order) do
          local a, b = gramian.dot(g, g) ^ 0.5, gramian.dot(rows[j], rows[j]) ^ 0.5
          local rho, r = gramian.dot(g, rows[j]) / a / b, goal[i][j]
          if rho < r then
            local root = (1 - r * r) ^ 0.5
            add(g, a * (r * (1 - rho * rho) ^ 0.5 - rho * root) / (b * root), rows[j])
          end
          goal[i][j] = 0.5 * r + 0.5 * rho
        end
        add(d, 1, g)
      end
      local gram = gram_of(rows)
      local w = p:weights { gram = gram, step = time }
      near(d, mix(rows, w))
      local by_slice = sliced:weights { slices = { gram, gram_of(random_rows(n, 2, time)) }, step = time }
      local order_free = gramian.orders(sliced, { step = time }, n)
      assert.same(order_free, gramian.orders(p, { step = time }, n))
      near(w, by_slice[1])
      assert.equal(n, #by_slice[2])
    end
  end)

  it("imtl_g and config: equal projections; config's length", function()
    for seed = 1, 10 do
      local rows = random_rows(4, 7, seed)
      local d, c, along = step("imtl_g", rows), step("config", rows), 0
      for i = 1, 4 do
        local u = unit(rows[i])
        assert.near(gramian.dot(d, unit(rows[1])), gramian.dot(d, u), 1e-10 * math.max(1, gramian.dot(d, d) ^ 0.5))
        assert.near(gramian.dot(c, unit(rows[1])), gramian.dot(c, u), 1e-10)
        along = along + gramian.dot(rows[i], unit(c))
      end
      assert.near(1, gramian.dot(c, unit(c)) / along, 1e-10)
    end
  end)

  -- J = U S V': the rows of U V' by Newton and Schulz, X <- (3 X - X X' X) / 2, on rows alone.
  local function orthogonal(rows)
    local x, length = {}, 0
    for _, row in ipairs(rows) do
      length = length + gramian.dot(row, row)
    end
    for i, row in ipairs(rows) do
      x[i] = gramian.scaled(row, 1 / math.sqrt(length))
    end
    for _ = 1, 100 do
      local products, y = gram_of(x), {}
      for i = 1, #x do
        y[i] = gramian.scaled(x[i], 1.5)
        add(y[i], -0.5, mix(x, products[i]))
      end
      x = y
    end
    return x
  end

  it("aligned_mtl: the mean of orthogonal gradients as long as the least singular value", function()
    for seed = 1, 10 do
      local rows = random_rows(4, 7, seed)
      local values = require "mtl.solve.eigen"(gram_of(rows))
      local want = gramian.scaled(mix(orthogonal(rows), { 1, 1, 1, 1 }), math.sqrt(values[4]) / 4)
      near(want, step("aligned_mtl", rows))
    end
  end)

  it("mgda: no task's gradient has a smaller product with the shortest combination than itself", function()
    for seed = 1, 10 do
      local rows = random_rows(4, 7, seed)
      local w = weigh("mgda", rows)
      local d = mix(rows, w)
      for i = 1, 4 do
        local product = gramian.dot(d, rows[i])
        assert.is_true(product >= gramian.dot(d, d) - 1e-10)
        assert.is_true(w[i] < 1e-12 or product <= gramian.dot(d, d) + 1e-10)
      end
    end
  end)

  it("cagrad: the worst task gains what the dual says", function()
    for seed = 1, 10 do
      local rows = random_rows(4, 7, seed)
      local g0, w = mix(rows, gramian.fill(4, 0.25)), require "mtl.solve.simplex".averse(gram_of(rows), 0.5)
      local gw, d, worst = mix(rows, w), step("cagrad", rows), math.huge
      local radius = 0.5 * math.sqrt(gramian.dot(g0, g0))
      local away = { table.unpack(d) }
      add(away, -1, g0)
      assert.near(radius, math.sqrt(gramian.dot(away, away)), 1e-7) -- the rule's own 1e-8 beside |gw|
      for i = 1, 4 do
        worst = math.min(worst, gramian.dot(d, rows[i]))
      end
      assert.near(gramian.dot(gw, g0) + radius * math.sqrt(gramian.dot(gw, gw)), worst, 1e-7)
    end
  end)

  it("nash_mtl and fairgrad: the products with the direction are the inverse weights", function()
    for seed = 1, 10 do
      local rows = random_rows(4, 7, seed)
      local w, square = weigh("fairgrad", rows), 0
      local d = mix(rows, w)
      for i = 1, 4 do
        square = square + gramian.dot(rows[i], rows[i])
      end
      for i = 1, 4 do -- 1e-8 of the mean square is added to the diagonal
        assert.near(1 / w[i], gramian.dot(d, rows[i]) + 1e-8 * square / 4 * w[i], 1e-10 / w[i])
      end
      near(w, weigh("nash_mtl", rows))
    end
  end)

  -- The projection of u'J on the directions that no gradient opposes, by Moreau: p = u'J + sum l g, l >= 0, g'p >= 0,
  -- and one of the two is 0 for each task.
  local function is_projection(rows, u, v)
    local p = mix(rows, v)
    for i = 1, #rows do
      local product = gramian.dot(p, rows[i])
      assert.is_true(product >= -1e-10 and v[i] >= u[i] - 1e-12)
      assert.near(0, product * (v[i] - u[i]), 1e-10)
    end
  end

  it("dualproj, and each part of upgrad: projections on the dual cone", function()
    local dual_cone = require "mtl.solve.dual_cone"
    for seed = 1, 10 do
      local rows, sum = random_rows(4, 6, seed), gramian.fill(4, 0)
      is_projection(rows, gramian.fill(4, 0.25), weigh("dualproj", rows))
      for i = 1, 4 do
        local u = gramian.fill(4, 0)
        u[i] = 0.25
        local v = dual_cone(gram_of(rows), u)
        is_projection(rows, u, v)
        add(sum, 1, v)
      end
      near(sum, weigh("upgrad", rows))
    end
  end)
end)
