local core = require "mtl.core"
local mtl = require "mtl"
local support = dofile "spec/support/data.lua"

local transform = mtl.transform

-- A picture that knows where its pixels are: channel 1 its rows, 2 its columns, 3 a constant, of 8 x 8.
local function pictures(n)
  local values = {}
  for _ = 1, n do
    for c = 0, 2 do
      for y = 0, 7 do
        for x = 0, 7 do
          values[#values + 1] = c == 0 and 10 * y or c == 1 and 10 * x or 100
        end
      end
    end
  end
  return core.tensor(values, "uint8"):reshape(n, 3, 8, 8)
end

-- Pictures with dense targets that hold the same: labels 8 * row + column, depth 1 + column, normals (column, row, 1).
local function scenes(transforms, n)
  local labels, depth, normals = {}, {}, {}
  for _ = 1, n or 4 do
    for y = 0, 7 do
      for x = 0, 7 do
        labels[#labels + 1] = 8 * y + x
        depth[#depth + 1] = 1 + x
      end
    end
    for c = 0, 2 do
      for _ = 1, 64 do
        normals[#normals + 1] = c == 0 and 0.6 or c == 1 and 0 or 0.8
      end
    end
  end
  n = n or 4
  return mtl.data.tensors {
    inputs = pictures(n), split = { 1 }, batch = 4,
    targets = { seg = core.tensor(labels, "int32"):reshape(n, 8, 8), far = core.tensor(depth):reshape(n, 1, 8, 8),
      up = core.tensor(normals):reshape(n, 3, 8, 8) },
    dense = { seg = "labels", far = "depth", up = "normals" }, transforms = transforms,
  }:open {}
end

describe("transform", function()
  it("knows the sizes that come out", function()
    assert.same({ "color_jitter", "normalize", "random_crop", "random_flip", "random_scale", "resize" },
      transform.names())
    local set = scenes { transform.resize(16), transform.random_crop(6, 10), transform.random_flip() }
    assert.same({ { 3, 6, 10 } }, set.input_shapes)
    assert.same({ 6, 10 }, set.targets.seg.shape)
    assert.same({ 1, 6, 10 }, set.targets.far.shape)
    assert.same({ 3, 6, 10 }, set.targets.up.shape)
    for _, training in ipairs { true, false } do
      local rows = support.rows(set, "train", training)
      assert.same({ 4, 3, 6, 10 }, rows[1]:shape())
      assert.same({ 4, 6, 10 }, rows[3]:shape())
    end
  end)

  it("moves dense targets with their image", function()
    local set = scenes({ transform.random_crop(4, 5, { padding = 2 }), transform.random_flip() }, 16)
    local rows, moved, flipped = support.rows(set, "train", true), false, 0
    local far, seg, up, x = rows[2], rows[3], rows[4], rows[1]
    assert.same({ "far", "seg", "up" }, set.target_names)
    for i = 1, 16 do
      local labels, pixels, depths, normals = seg[i]:totable(), x[i]:totable(), far[i]:totable(), up[i]:totable()
      moved = moved or labels[1][1] ~= seg[1]:totable()[1][1]
      for row = 1, 4 do
        for column = 1, 5 do
          local label, depth = labels[row][column], depths[1][row][column]
          if label < 0 then -- outside of the picture
            assert.equal(0, pixels[3][row][column])
            assert.is_true(depth ~= depth)
          else
            assert.near(10 * (label // 8) / 255, pixels[1][row][column], 1e-6)
            assert.near(10 * (label % 8) / 255, pixels[2][row][column], 1e-6)
            assert.near(1 + label % 8, depth, 1e-6)
            local side = column < 5 and labels[row][column + 1] >= 0 and labels[row][column + 1] - label
            if side then
              flipped = flipped + (side < 0 and 1 or 0)
              assert.near(side * 0.6, normals[1][row][column], 1e-6) -- a flip turns the normal's x
            end
          end
        end
      end
    end
    assert.is_true(moved and flipped > 0)
  end)

  it("divides depth by the zoom", function()
    local set = scenes { transform.random_scale(2, 2) }
    local rows = support.rows(set, "train", true)
    local depth, labels = rows[2]:reshape(-1):totable(), rows[3]:reshape(-1):totable()
    for i, label in ipairs(labels) do
      assert.near((1 + label % 8) / 2, depth[i], 1e-6)
    end
    assert.same(scenes {}:target_tensor("train", 3):totable(), support.rows(set, "train", false)[3]:totable())
  end)

  it("leaves a normalised colour where nothing is random", function()
    local set = scenes { transform.color_jitter(0.5, 0.5, 0.5), transform.normalize({ 0, 0, 0.5 }, 0.25) }
    local x = support.rows(set, "train", false)[1]
    assert.near((100 / 255 - 0.5) / 0.25, x[1][3]:min():item(), 1e-5)
    assert.near(70 / 255 / 0.25, x[1][1]:max():item(), 1e-5)
    local jittered = support.rows(set, "train", true)[1]
    assert.not_equal(jittered[1][3]:min():item(), jittered[2][3]:min():item())
    assert.equal(support.rows(set, "train", true)[1]:bytes(), jittered:bytes())
  end)

  it("says what is wrong", function()
    local function refused(transforms, ...)
      local ok, message = pcall(scenes, transforms)
      assert.is_false(ok)
      for _, part in ipairs { ... } do
        assert.truthy(tostring(message):find(part, 1, true), message)
      end
    end
    refused({ transform.random_crop(9, 8) }, "random_crop", "9 x 8", "8 x 8")
    refused({ transform.normalize({ 1, 2 }, 1) }, "normalize", "2 numbers", "3 channels")
    refused({ 3 }, "transforms[1]", "3", "random_flip")
    refused({ flip = transform.random_flip() }, "'flip", "list")
    assert.error_matches(function() return transform.random_flop() end, "random_flip")
    assert.error_matches(function() transform.random_scale(2, 1) end, "low is 2")
    assert.error_matches(function() transform.random_flip(2) end, "p is 2")
    assert.error_matches(function()
      mtl.data.tensors { inputs = core.zeros(2, 3), targets = { y = core.zeros(2) },
        transforms = { transform.random_flip() } }:open {}
    end, "no input is %[channels")
  end)

  it("augments pictures in the format of MNIST, before mean and std", function()
    local folder = support.folder()
    folder.write("images", string.pack(">I4I4I4I4", 0x803, 4, 2, 3) .. ("\0\51\255\0\0\0"):rep(4))
    folder.write("labels", string.pack(">I4I4", 0x801, 4) .. "\0\1\2\1")
    local set = mtl.data.idx { train = { input = "images", digit = "labels" }, mean = 0.5, std = 0.25,
      transforms = { transform.random_crop(2, 1) } }:open(folder.at)
    assert.same({ { 1, 2, 1 } }, set.input_shapes)
    assert.near((0.2 - 0.5) / 0.25, support.rows(set, "train", false)[1]:max():item(), 1e-5)
    support.remove(folder.path)
  end)
end)
