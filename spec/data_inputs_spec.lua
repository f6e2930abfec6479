local core = require "mtl.core"
local inputs = require "mtl.data.inputs"
local mtl = require "mtl"
local support = dofile "spec/support/data.lua"

local folder = support.folder()
local at = folder.at

-- As a checkpoint keeps it.
local function kept(set)
  return set.kind, core.json_decode(core.json_encode(set.state)),
    { inputs = set.inputs, input_shapes = set.input_shapes }
end

local function read(set, files)
  local kind, state, info = kept(set)
  return inputs.read(kind, state, info, files, at.path)
end

local function refused(set, files, ...)
  local ok, message = pcall(read, set, files)
  assert.is_false(ok)
  for _, part in ipairs { ... } do
    assert.truthy(tostring(message):find(part, 1, true), ("%s does not say '%s'"):format(message, part))
  end
end

teardown(function() support.remove(folder.path) end)
before_each(folder.clear)

describe("new inputs for a model trained on", function()
  it("a table", function()
    folder.write("t.csv", "x;c;y\n0;a;1\n4;b;2\n2;?;3\n")
    local set = mtl.data.csv { path = "t.csv", separator = ";", missing = "?", inputs = { "x", "c" },
      targets = { y = "y" }, split = { 1 } }:open(at)
    folder.write("new.csv", "c;x\nb;2\nz;?\n")
    folder.write("more.csv", "x;c\n4;a\n")
    local tensors, names = read(set, { "new.csv", "more.csv" })
    local s = math.sqrt(8 / 3)
    assert.same({ "new.csv:2", "new.csv:3", "more.csv:2" }, names)
    for i, row in ipairs { { 0, 0, 1 }, { 0, 0, 0 }, { 2 / s, 1, 0 } } do
      for j, value in ipairs(row) do
        assert.near(value, tensors[1][i][j]:item(), 1e-6)
      end
    end
    folder.write("bad.csv", "c\nb\n")
    refused(set, { "bad.csv" }, "bad.csv", "'x'", "x, c")
    folder.write("bad.csv", "c;x\n")
    refused(set, { "bad.csv" }, "bad.csv", "no rows")
    folder.write("bad.csv", "c;x\na;one\n")
    refused(set, { "bad.csv" }, "bad.csv:2", "'one'")
    refused(set, { "cat.png" }, "cat.png", "tables")
    refused(set, {}, "which files")
  end)

  it("a table with fields", function()
    folder.write("t.csv", "x,c,d,y\n0,a,p,1\n4,b,q,2\n2,,p,3\n")
    local set = mtl.data.csv { path = "t.csv", fields = { dense = { "x" }, sparse = { "c", "d" } },
      targets = { y = "y" }, split = { 1 } }:open(at)
    local tensors = read(set, { "t.csv" })
    assert.same({ { 0, 3 }, { 1, 4 }, { 2, 3 } }, tensors[2]:totable())
    folder.write("new.csv", "x,c,d\n2,z,q\n")
    tensors = read(set, { "new.csv" })
    assert.same({ { 0 } }, tensors[1]:totable())
    assert.same({ { 2, 4 } }, tensors[2]:totable())
  end)

  it("images", function()
    for i = 1, 2 do
      folder.png(("photos/a/%d.png"):format(i), 3, 4, 4, 10)
      folder.png(("photos/b/%d.png"):format(i), 3, 4, 4, 20)
    end
    local set = mtl.data.images { dir = "photos", split = { 1 }, mean = 0.5, std = 0.25 }:open(at)
    folder.png("new/x.png", 3, 4, 4, 51)
    folder.png("new/gray.png", 1, 4, 4, 255)
    local tensors, names = read(set, { "new/x.png", "new/gray.png" })
    assert.same({ "new/x.png", "new/gray.png" }, names)
    assert.same({ 2, 3, 4, 4 }, tensors[1]:shape())
    assert.near((0.2 - 0.5) / 0.25, tensors[1][1]:max():item(), 1e-5)
    assert.near(2, tensors[1][2]:min():item(), 1e-5)
    folder.png("new/large.png", 3, 5, 4, 1)
    refused(set, { "new/large.png" }, "new/large.png", "5 x 4", "4 x 4")
    refused(set, { "new/none.png" }, "new/none.png")
    folder.write("new/bad.png", "x")
    refused(set, { "new/bad.png" }, "new/bad.png")
    folder.write("new/t.csv", "x\n1\n")
    refused(set, { "new/t.csv" }, "new/t.csv", "a table", "PNG")
    set = mtl.data.images { dir = "photos", split = { 1 }, transforms = { mtl.transform.resize(2, 2) } }:open(at)
    assert.same({ 1, 3, 2, 2 }, read(set, { "new/large.png" })[1]:shape())
  end)

  it("arrays, and pictures in the format of MNIST", function()
    folder.npy("x.npy", core.arange(8):reshape(4, 2))
    folder.npy("y.npy", core.arange(4))
    folder.npy("one.npy", core.tensor { 3, 4 })
    local set = mtl.data.npy { inputs = "x.npy", targets = { y = "y.npy" }, split = { 1 }, normalize = true }:open(at)
    local tensors, names = read(set, { "x.npy", "one.npy" })
    assert.same({ "x.npy:1", "x.npy:2", "x.npy:3", "x.npy:4", "one.npy:1" }, names)
    assert.near(0, tensors[1][5][1]:item(), 1e-6)
    assert.near(-3 / math.sqrt(5), tensors[1][1][1]:item(), 1e-5)
    refused(set, { "y.npy" }, "y.npy", "[4]", "[rows, 2]")
    folder.png("a.png", 1, 2, 3, 51)
    refused(set, { "a.png" }, "a.png", "[2]")
    local pictures = mtl.data.tensors { inputs = core.zeros(4, 1, 2, 3, "uint8"), targets = { y = core.zeros(4) },
      split = { 1 } }:open(at)
    assert.near(0.2, read(pictures, { "a.png" })[1]:max():item(), 1e-6)
    folder.write("a.idx", string.pack(">I4I4I4I4", 0x803, 1, 2, 3) .. ("\51"):rep(6))
    assert.near(0.2, read(pictures, { "a.idx" })[1]:max():item(), 1e-6)
  end)

  it("several inputs, by name", function()
    folder.npy("x.npy", core.arange(8):reshape(4, 2))
    folder.npy("y.npy", core.arange(4))
    folder.npz("all.npz", { { "a", core.ones(3, 2) }, { "b", core.zeros(3, 2) } })
    local set = mtl.data.npy { inputs = { a = "x.npy", b = "x.npy" }, targets = { y = "y.npy" } }:open(at)
    local tensors, names = read(set, { "b=x.npy", "a=x.npy" })
    assert.same({ 2, 4 }, { #tensors, #names })
    tensors = read(set, { "all.npz" })
    assert.same({ 1, 0 }, { tensors[1]:min():item(), tensors[2]:max():item() })
    refused(set, { "x.npy" }, "x.npy", "a, b", "NAME=x.npy")
    refused(set, { "a=x.npy" }, "'b'")
  end)

  it("joined sets", function()
    folder.write("t.csv", "x,y\n0,1\n4,2\n")
    local csv = mtl.data.csv { path = "t.csv", inputs = { "x" }, targets = { y = "y" }, split = { 1 } }
    local set = mtl.data.join { csv, csv }:open(at)
    assert.same({ { -1 }, { 1 } }, read(set, { "t.csv" })[1]:totable())
  end)
end)
