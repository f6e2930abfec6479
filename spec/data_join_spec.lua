local core = require "mtl.core"
local mtl = require "mtl"
local support = dofile "spec/support/data.lua"

local data = mtl.data
local folder = support.folder()
local at = folder.at

local function refused(declaration, ...)
  support.refused(declaration, at, ...)
end

teardown(function() support.remove(folder.path) end)
before_each(folder.clear)

describe("data.join", function()
  it("puts rows one after another, with missing labels where a set has none", function()
    local a = data.tensors { inputs = core.zeros(6, 2), targets = { x = core.arange(6) }, split = { 0.5, 0.5 },
      batch = 4 }
    local b = data.tensors { inputs = core.ones(4, 2), targets = { c = core.tensor({ 0, 1, 2, 0 }, "int32") },
      split = { 1 } }
    local set = data.join { a, b }:open(at)
    assert.equal("join", set.kind)
    assert.same({ train = 7, valid = 3 }, set.rows)
    assert.equal(4, set.batch)
    assert.same({ "x", "c" }, set.target_names)
    local rows = support.rows(set, "train")
    for i = 1, 7 do
      local of_a = rows[1][i]:max():item() == 0
      assert.equal(not of_a, rows[2][i]:item() ~= rows[2][i]:item())
      assert.equal(of_a, rows[3][i]:item() == -1)
    end
    assert.same({ -1, -1, -1 }, support.rows(set, "valid")[3]:totable())
  end)

  it("merges classes by name, and reads inputs and numbers as the first table", function()
    folder.write("a.csv", "x,g,y\n0,low,1\n2,high,3\n")
    folder.write("b.csv", "x,g,y,k\n10,mid,5,1\n20,low,7,0\n")
    local function csv(path, targets)
      targets.g = "g"
      return data.csv { path = path, inputs = { "x" }, targets = targets, split = { 1 } }
    end
    local function y()
      return { y = { column = "y", normalize = true } }
    end
    local joined = data.join { csv("a.csv", y()), csv("b.csv", y()), batch = 3 }
    local set = joined:open(at)
    assert.same({ "high", "low", "mid" }, set.targets.g.levels)
    assert.equal(3, set.batch)
    local rows, seen = support.rows(set, "train"), {}
    for i, x in ipairs(rows[1]:totable()) do
      seen[math.floor(x[1] + 1.5)] = { rows[2][i]:item(), rows[3][i]:item() }
    end
    assert.same({ [0] = { 1, -1 }, [2] = { 0, 1 }, [10] = { 2, 3 }, [20] = { 1, 5 } }, seen)
    local again = joined:open { path = at.path, state = core.json_decode(core.json_encode(set.state)) }
    assert.same(set:target_tensor("train", 2):totable(), again:target_tensor("train", 2):totable())
    refused(data.join { csv("a.csv", {}), data.csv { path = "b.csv", inputs = { "k" }, targets = { g = "g" } } },
      "data.join", "b.csv", "'x'", "'k'")
    refused(data.join { csv("a.csv", {}), csv("b.csv", { y = { column = "y", classes = true } }),
      csv("a.csv", { y = "y" }) }, "'y'")
  end)

  it("joins folders of images", function()
    for i = 1, 3 do
      folder.png(("a/cat/%d.png"):format(i), 1, 2, 2, i)
      folder.png(("a/dog/%d.png"):format(i), 1, 2, 2, 10 + i)
      folder.png(("b/dog/%d.png"):format(i), 1, 2, 2, 20 + i)
      folder.png(("b/emu/%d.png"):format(i), 1, 2, 2, 30 + i)
    end
    local set = data.join { data.images { dir = "a", split = { 1 } },
      data.images { dir = "b", split = { 1 }, memory = false }, sample = { balance = "label" } }:open(at)
    assert.same({ "cat", "dog", "emu" }, set.targets.label.levels)
    local rows = support.rows(set, "train")
    for i, label in ipairs(rows[2]:totable()) do
      local pixel = rows[1][i]:max():item() * 255
      assert.equal(label, pixel > 29 and 2 or pixel > 9 and 1 or 0)
    end
    assert.is_truthy(set:fields "train"[1].tensor)
    local function disk(dir)
      return data.images { dir = dir, split = { 1 }, memory = false }
    end
    local there = data.join { disk "a", disk "b" }:open(at)
    assert.is_truthy(there:fields "train"[1].source)
    assert.equal(rows[1]:bytes(), support.rows(there, "train")[1]:bytes())
    local weights, labels = set.weights:totable(), set:target_tensor("train", 2):totable()
    assert.near(labels[1] == 1 and 2 / 3 or 4 / 3, weights[1], 1e-6)
  end)

  it("says what is not the same", function()
    local function set(inputs, targets, more)
      local o = { inputs = inputs, targets = targets, split = { 1 } }
      for key, value in pairs(more or {}) do
        o[key] = value
      end
      return data.tensors(o)
    end
    local y = { y = core.zeros(4) }
    refused(data.join { set(core.zeros(4, 2), y), set(core.zeros(4, 3), y) }, "set 2", "[[3]]", "[[2]]")
    refused(data.join { set(core.zeros(4, 2), y), set({ a = core.zeros(4, 2) }, y) }, "inputs", '"a"')
    refused(data.join { set(core.zeros(4, 2), y), set(core.zeros(4, 2), { y = core.zeros(4, "int32") }) }, "'y'")
    refused(data.join { set(core.zeros(4, 2), { y = core.zeros(4, "int32") }),
      set(core.zeros(4, 2), { y = core.zeros(4, "int32") }, { sample = { balance = "y" } }) }, "sample")
    assert.error_matches(function() data.join { set(core.zeros(4, 2), y) } end, "two or more")
    assert.error_matches(function() data.join { set(core.zeros(4, 2), y), 3 } end, "number 2")
  end)
end)
