local stats = require "mtl.compare.stats"

local function near(expected, actual, tolerance)
  assert(actual and math.abs(actual - expected) <= (tolerance or 1e-9) * math.max(1, math.abs(expected)),
    ("expected %.12g, got %s"):format(expected, actual and ("%.12g"):format(actual)))
end

describe("Student's t", function()
  it("has the quantiles of the tables", function()
    -- two-sided 95 %, from scipy.stats.t.ppf(0.975, v)
    for v, t in pairs { [1] = 12.706204736174707, [2] = 4.302652729749464, [4] = 2.7764451051977987,
      [9] = 2.2621571627409915, [29] = 2.045229642132703, [1000] = 1.962339080792082 } do
      near(t, stats.t_of(0.05, v))
    end
    near(63.65674116287158, stats.t_of(0.01, 1))
    near(0.940964577235, stats.t_of(0.4, 4), 1e-9)
    near(1.06066017178, stats.t_of(0.4, 2), 1e-9) -- 1.5 / sqrt 2
  end)

  it("has the tails of closed forms", function()
    near(0.5, stats.two_sided(1, 1))                    -- Cauchy
    near(1 - 2 / math.sqrt(6), stats.two_sided(2, 2))   -- 1 - t / sqrt(2 + t^2)
    near(1, stats.two_sided(0, 5))
    near(2 / math.pi * math.atan(1e-6), stats.two_sided(1e6, 1))
    near(stats.two_sided(1.3, 7), stats.two_sided(-1.3, 7))
  end)

  it("goes with the incomplete beta function", function()
    near(0.3, stats.beta(1, 1, 0.3))
    near(0.5, stats.beta(2.5, 2.5, 0.5))
    near(1 - 0.6 ^ 3, stats.beta(1, 3, 0.4))
    near(0.7 ^ 4, stats.beta(4, 1, 0.7))
    assert.same({ 0, 1 }, { stats.beta(2, 3, 0), stats.beta(2, 3, 1) })
  end)
end)

describe("a mean", function()
  it("has an interval from three values on", function()
    local s = stats.summary { 1, 2, 3, 4, 5 }
    assert.same({ 5, 3 }, { s.n, s.mean })
    near(1.5811388300841898, s.sd)
    near(1.9632432, s.half, 1e-7) -- 2.776445 x 1.581139 / sqrt 5
    s = stats.summary { 1, 2 }
    near(math.sqrt(0.5), s.sd)
    assert.is_nil(s.half)
    assert.same({ n = 1, mean = 7 }, stats.summary { 7 })
    assert.same({ n = 0 }, stats.summary {})
  end)

  it("of differences is tested against 0", function()
    -- by hand: mean 2, sd 1, error 1/sqrt 3, t = 2 sqrt 3, p = 1 - t / sqrt(2 + t^2)
    local s = stats.paired { 1, 2, 3 }
    near(2 * math.sqrt(3), s.t)
    near(1 - math.sqrt(12 / 14), s.p)
    near(4.302652729749464 / math.sqrt(3), s.half)
    assert.is_nil(stats.paired({ 1, 2 }).p)
  end)

  it("of differences that are all the same is certain, or nothing", function()
    local s = stats.paired { 0, 0, 0 }
    assert.same({ 0, 1, 0 }, { s.t, s.p, s.half })
    s = stats.paired { 0.25, 0.25, 0.25 }
    assert.same({ math.huge, 0 }, { s.t, s.p })
  end)
end)

describe("Holm's correction", function()
  it("steps down", function()
    -- .01 x 4, then .02 x 3, .03 x 2 and .04 x 1, none below the one before
    local adjusted = stats.holm { 0.04, 0.01, 0.03, 0.02 }
    for i, p in ipairs { 0.06, 0.04, 0.06, 0.06 } do
      near(p, adjusted[i])
    end
    assert.same({ 0.5 }, stats.holm { 0.5 })
    assert.same({ 1, 1 }, stats.holm { 0.6, 0.9 })
    assert.same({}, stats.holm {})
  end)
end)

describe("the smallest detectable difference", function()
  it("grows with the spread and the number of tests", function()
    near((4.302652729749464 + 1.0606601717798212) / math.sqrt(3), stats.detectable(1, 3, 1))
    near(2 * stats.detectable(1, 3, 1), stats.detectable(2, 3, 1))
    assert.truthy(stats.detectable(1, 5, 4) > stats.detectable(1, 5, 1))
    assert.truthy(stats.detectable(1, 20, 1) < stats.detectable(1, 5, 1))
    assert.equal(0, stats.detectable(0, 5, 3))
  end)
end)

describe("ranks", function()
  it("average ties", function()
    assert.same({ 2.5, 1, 2.5, 4 }, stats.ranks({ 5, 9, 5, 1 }, true))
    assert.same({ 2.5, 4, 2.5, 1 }, stats.ranks({ 5, 9, 5, 1 }, false))
    assert.same({ 2, 2, 2 }, stats.ranks({ 3, 3, 3 }, true))
  end)
end)

describe("delta m and delta p", function()
  local metrics = { { task = "a", higher = true }, { task = "b", higher = false }, { task = "b", higher = true } }

  it("are means of signed relative changes", function()
    -- a: .9 against .8: +12.5 % better; b: error 1.2 against 1: 20 % worse; .45 against .5: 10 % worse
    local m, p = stats.deltas(metrics, { 0.9, 1.2, 0.45 }, { 0.8, 1, 0.5 })
    near((-12.5 + 20 + 10) / 3, m)
    near((12.5 + (-20 - 10) / 2) / 2, p)
    m, p = stats.deltas(metrics, { 1, 2, 3 }, { 1, 2, 3 })
    assert.same({ 0, 0 }, { m, p })
    assert.same({ 2 }, { select("#", stats.deltas({}, {}, {})) })
    assert.is_nil((stats.deltas({}, {}, {})))
  end)

  it("leave out what is near 0, changes sign or is missing", function()
    assert.same({}, stats.left_out(metrics, { { 0.8, 1, 0.5 }, { 0.7, 2, 0.4 } }))
    assert.same({ [1] = true }, stats.left_out(metrics, { { 0.8, 1, 0.5 }, { 1e-7, 2, 0.4 } }))
    assert.same({ [2] = true }, stats.left_out(metrics, { { 0.8, 1, 0.5 }, { 0.7, -1, 0.4 } }))
    assert.same({ [3] = true }, stats.left_out(metrics, { { 0.8, -1, nil }, { 0.7, -2, 0.4 } }))
  end)
end)
