-- The two-objective toy: its objectives by hand, short trainings, the picture.
local core = require "mtl.core"
local landscape = require "mtl.landscape"
local mtl = require "mtl"
local program = dofile "spec/support/program.lua"

-- Elements of an SVG that are opened are closed, in order. @return how many there are of each name
local function elements(text)
  local open, count = {}, {}
  for slash, name, rest in text:gmatch "<(/?)([%a]+)([^<>]*)>" do
    if slash == "/" then
      assert.equal(table.remove(open), name)
    else
      count[name] = (count[name] or 0) + 1
      if rest:sub(-1) ~= "/" then
        open[#open + 1] = name
      end
    end
  end
  assert.equal(0, #open)
  assert.falsy(text:find "nan" or text:find "inf")
  return count
end

describe("the two-objective toy", function()
  local folder
  setup(function() folder = program.folder() end)
  teardown(function() program.remove(folder) end)

  -- The model's output is -x, so the gradient there is that of x with its sign changed.
  local function at(task, x1, x2)
    local out = mtl.tensor { { -x1, -x2 } }
    out:requires_grad(true)
    local value = task.loss:compute(out, mtl.zeros(1))
    value:backward()
    local slope = out:grad()
    return { value:item(), -slope[1][1]:item(), -slope[1][2]:item() }
  end

  local function near(expected, found, tolerance)
    for i = 1, 3 do
      assert.near(expected[i], found[i], tolerance)
    end
  end

  it("has the objectives of the papers", function()
    local tasks = dofile("recipes/pareto-toy.lua").tasks
    -- values and central differences in double precision, from the formulas
    near({ 6.552363, -0.285399, 0.007249 }, at(tasks[1], -8.5, 7.5), 1e-5)
    near({ 7.900798, -0.073992, 0.008739 }, at(tasks[2], -8.5, 7.5), 1e-5)
    near({ -18.064908, -0.789291, 0.302649 }, at(tasks[1], 3, -5), 1e-5)
    near({ -9.777347, 1.973228, 0.190961 }, at(tasks[2], 3, -5), 1e-5)
    -- on the ridge both halves push: (ln 3.5 + 6) / 2 - (5.54 - 20) / 2
    near({ 0, 0, 10.856381 }, at(tasks[1], 0, 0), 1e-5)
    near({ 0, 0, 10.856381 }, at(tasks[2], 0, 0), 1e-5)
    -- in the valley, u1 = 0 but for rounding: (ln 5e-6 + 6) tanh(5), whose slope is that of tanh(x2 / 2) alone
    near({ -6.205509, 0, -0.000563 }, at(tasks[1], -5, 10), 1e-5)
  end)

  it("is a recipe whose policy and start can be set", function()
    local result = program.run(folder, { "run", os.getenv "MTL_HOME" .. "/recipes/pareto-toy.lua", "--set",
      "policy=upgrad", "--set", "trunk.1.init=9", "--set", "trunk.2.init=-1", "--max-steps", "300", "--out",
      "one", "--quiet" })
    assert.equal("", result.err)
    local run = mtl.load(folder .. "/one")
    local x = (-run:predict(mtl.full({ 1, 1 }, -1)).L2)[1]:totable()
    assert.near(9 - 0.3, x[1], 0.05) -- Adam makes steps of 1e-3 while the way stays the same
    assert.near(-1 - 0.3, x[2], 0.05)
    local log = program.read(folder .. "/one/metrics.jsonl")
    assert.truthy(log:find('"upgrad"', 1, true))
  end)

  it("draws the paths from all starts", function()
    local result = program.run(folder, { "lua", os.getenv "MTL_HOME" .. "/recipes/pareto-toy.lua", "paths.svg", "250",
      "cagrad,famo" })
    assert.equal("", result.err)
    local _, lines = result.out:gsub("%(%s*[%d.-]+,%s*[%d.-]+%) %-> %(%s*[%d.-]+,%s*[%d.-]+%)\n", "")
    assert.equal(10, lines)
    assert.truthy(result.out:find("cagrad    ( 9.0,  9.0) -> ( 8.7", 1, true), result.out)
    local text = program.read(folder .. "/paths.svg")
    local count = elements(text)
    assert.equal(2, count.use)
    assert.equal(20, count.circle)
    assert.equal(13 + 1 + 10, count.path)
    assert.truthy(text:find(">cagrad</text>", 1, true) and text:find(">famo</text>", 1, true))
    assert.truthy(core.stat(folder .. "/paths-runs/famo-5/metrics.jsonl"))
  end)
end)

describe("a contour", function()
  -- f on a grid of n + 1 by n + 1 places, and its stretches
  local function stretches(n, f, level)
    local z = {}
    for i = 0, n do
      z[i + 1] = {}
      for j = 0, n do
        z[i + 1][j + 1] = f(i, j)
      end
    end
    return landscape.contour(z, level)
  end

  it("goes through the points of its level", function()
    local list = stretches(40, function(x, y) return (x - 20) ^ 2 + (y - 20) ^ 2 end, 100)
    local length = 0
    for _, s in ipairs(list) do
      assert.near(10, math.sqrt((s[1] - 20) ^ 2 + (s[2] - 20) ^ 2), 0.03)
      length = length + math.sqrt((s[3] - s[1]) ^ 2 + (s[4] - s[2]) ^ 2)
    end
    assert.near(2 * math.pi * 10, length, 0.2)
  end)

  it("parts the right corners of a saddle", function()
    local function one(middle)
      return stretches(1, function(x, y) return x == y and 1 + middle or -1 + middle end, 0)
    end
    -- with a high middle the low corners (1, 0) and (0, 1) are cut off, each by itself; with a low one the high corners
    for _, s in ipairs(one(0.5)) do
      assert.truthy((s[1] + s[3] > 1) == (s[2] + s[4] < 1), table.concat(s, " "))
    end
    for _, s in ipairs(one(-0.5)) do
      assert.truthy((s[1] + s[3] > 1) == (s[2] + s[4] > 1), table.concat(s, " "))
    end
    assert.equal(2, #one(0.5))
    assert.equal(2, #one(-0.5))
  end)

  it("is empty where nothing crosses", function()
    assert.equal(0, #stretches(3, function() return 1 end, 0))
  end)
end)
