local core = require "mtl.core"
local mtl = require "mtl"
local support = dofile "spec/support/data.lua"

local npy = mtl.data.npy
local folder = support.folder()
local at = folder.at

local save = folder.npy

local function refused(options, ...)
  support.refused(npy(options), at, ...)
end

teardown(function() support.remove(folder.path) end)

describe("data.npy", function()
  local x, y, class
  before_each(function()
    folder.clear()
    x = core.arange(40):reshape(20, 2)
    y = core.arange(20)
    class = core.tensor({ 0, 1, 2, -1, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0 }, "int32")
    save("x.npy", x)
    save("y.npy", y)
    save("c.npy", class)
  end)

  it("keeps rows together, in memory and from the disk", function()
    for _, memory in ipairs { true, false } do
      local set = npy { inputs = "x.npy", targets = { y = "y.npy", c = "c.npy" }, split = { 0.5, 0.2, 0.3 },
        memory = memory }:open(at)
      assert.equal("npy", set.kind)
      assert.same({ train = 10, valid = 4, test = 6 }, set.rows)
      assert.same({ { 2 } }, set.input_shapes)
      assert.same({ kind = "class", classes = 3 }, set.targets.c)
      assert.same({ kind = "number", shape = {} }, set.targets.y)
      for _, split in ipairs { "train", "valid", "test" } do
        local rows = support.rows(set, split)
        for i, row in ipairs(rows[1]:totable()) do
          local k = math.tointeger(rows[3][i]:item())
          assert.same({ 2 * k, 2 * k + 1 }, row)
          assert.equal(class[k + 1]:item(), rows[2][i]:item())
        end
      end
      assert.equal(10, #set:target_tensor("train", 3))
    end
  end)

  it("has several inputs by name, files for each split, and fractions for the rest", function()
    save("x2.npy", x + 100)
    local set = npy { inputs = { a = { train = "x.npy", test = "x2.npy" }, b = { train = "y.npy", test = "y.npy" } },
      targets = { c = { train = "c.npy", test = "c.npy" } }, split = { 0.9, 0.1 } }:open(at)
    assert.same({ train = 18, valid = 2, test = 20 }, set.rows)
    assert.same({ "a", "b" }, set.inputs)
    assert.same({ { 2 }, { 1 } }, set.input_shapes)
    assert.equal(100, support.rows(set, "test")[1][1][1]:item())
  end)

  it("normalises inputs by the training rows and targets that ask for it, the same for another run", function()
    local options = { inputs = "x.npy", targets = { y = { path = "y.npy", normalize = true } }, normalize = true,
      split = { 1 } }
    local set = npy(options):open(at)
    local rows = support.rows(set, "train")
    local std = math.sqrt((400 - 1) / 12)
    assert.near(0, rows[1]:mean():item(), 1e-5)
    assert.near(1, rows[1]:square():mean():item(), 1e-4)
    assert.near(std, set.targets.y.own.scale, 1e-4)
    assert.near(9.5, set.targets.y.own.shift, 1e-4)
    save("x.npy", x * 0)
    local state = core.json_decode(core.json_encode(set.state))
    local again = npy(options):open { path = at.path, state = state }
    assert.near(-19 / (2 * std), support.rows(again, "train")[1][1][1]:item(), 1e-4)
    options.memory = false
    refused(options, "'input'", "disk", "memory = true")
    refused({ inputs = "x.npy", targets = { y = { path = "y.npy", normalize = "no" } } },
      "target 'y': normalize is 'no'")
  end)

  it("reads archives by name", function()
    folder.npz("all.npz", { { "x", x }, { "c", class } })
    local set = npy { inputs = "all.npz:x", targets = { c = { path = "all.npz", name = "c" } }, split = { 1 } }:open(at)
    assert.same({ train = 20 }, set.rows)
    refused({ inputs = "all.npz", targets = { c = "c.npy" } }, "all.npz", "c, x")
    refused({ inputs = "all.npz:z", targets = { c = "c.npy" } }, "all.npz", "no array 'z'")
  end)

  it("moves dense targets with their images", function()
    save("i.npy", core.zeros(4, 3, 6, 8, "uint8"))
    save("s.npy", core.zeros(4, 6, 8, "int32"))
    for _, memory in ipairs { true, false } do
      local set = npy { inputs = "i.npy", targets = { s = "s.npy" }, dense = { s = "labels" }, classes = { s = 2 },
        transforms = { mtl.transform.random_crop(4, 4) }, split = { 1 }, memory = memory }:open(at)
      assert.same({ { 3, 4, 4 } }, set.input_shapes)
      assert.same({ kind = "class", classes = 2, shape = { 4, 4 }, dense = "labels" }, set.targets.s)
      assert.same({ 4, 4, 4 }, support.rows(set, "train", true)[2]:shape())
    end
    refused({ inputs = "i.npy", targets = { s = "s.npy" }, transforms = { mtl.transform.random_flip() } }, "'s'",
      "dense = { s =")
    refused({ inputs = "i.npy", targets = { s = "s.npy" }, dense = { s = "labels" }, memory = false }, "classes = { s")
    refused({ inputs = "i.npy", targets = { s = "s.npy" }, dense = { s = "normals" } }, "'s'", "[3, height, width]")
  end)

  it("says what does not fit", function()
    save("short.npy", core.zeros(7, 2))
    save("wide.npy", core.zeros(20, 3))
    refused({ inputs = "short.npy", targets = { y = "y.npy" } }, "y.npy", "20 rows", "short.npy", "7")
    refused({ inputs = "z.npy", targets = { y = "y.npy" } }, "z.npy")
    refused({ inputs = { train = "x.npy", test = "wide.npy" }, targets = { y = { train = "y.npy", test = "y.npy" } } },
      "wide.npy", "[3]", "[2]")
    refused({ inputs = { train = "x.npy", test = "x.npy" }, targets = { y = "y.npy" } }, "'y' has one file",
      "'input' a file each for train, test")
    refused({ inputs = { a = { pth = "x.npy" } }, targets = { y = "y.npy" } }, "input 'a'", "pth", "path")
    refused({ inputs = { a = 3 }, targets = { y = "y.npy" } }, "input 'a'", "x.npy")
    refused({ inputs = "x.npy", targets = {} }, "targets")
    save("none.npy", core.full({ 20 }, -1, "int32"))
    refused({ inputs = "x.npy", targets = { n = "none.npy" } }, "'n'", "no label")
    refused({ inputs = "x.npy", targets = { c = "c.npy" }, classes = { c = 2 } }, "class 2", "2 classes")
    refused({ inputs = "x.npy", targets = { c = "c.npy" }, split = { 0, 1 } }, "x.npy", "'train'")
  end)
end)
