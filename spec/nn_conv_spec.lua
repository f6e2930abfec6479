local core = require "mtl.core"
local mtl = require "mtl"
local nn = require "mtl.nn"

local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

-- A frozen model of a layer over samples of this shape.
local function frozen(layer, shape)
  local model = core.model(core.json_encode(layer:description()))
  model:freeze { device = os.getenv "MTL_DEVICE", seed = 1, inputs = { shape } }
  return model
end

describe("the layers of dense prediction", function()
  it("are declared by name and printed", function()
    local l = nn.conv2d(nil, 8, 3, { padding = 2, dilation = 2, groups = 4 })
    assert.same({ type = "conv2d", out_channels = 8, kernel_size = 3, stride = 1, padding = 2, dilation = 2, groups = 4,
      bias = true }, l:description())
    assert.matches("dilation = 2", tostring(l), 1, true)
    assert.matches("groups = 4", tostring(l), 1, true)
    l = nn.conv_transpose2d(nil, 8, 4, { stride = 2, padding = 1, output_padding = { 1, 0 } })
    assert.matches("^nn.conv_transpose2d { .*output_padding = { 1, 0 }", tostring(l))
    assert.matches('scale_factor = 2', tostring(nn.upsample { scale_factor = 2, mode = "bilinear" }), 1, true)
    assert.matches("mode = 'bilinear'", tostring(nn.upsample { scale_factor = 2, mode = "bilinear" }), 1, true)
    assert.matches("output_size = { 1, 2 }", tostring(nn.adaptive_avg_pool2d { 1, 2 }), 1, true)
    l = nn.pad(1, 2, 0, 3, { mode = "reflect" })
    assert.equal(2, l.right)
    assert.equal(3, l.bottom)
    assert.equal("nn.pad { bottom = 3, left = 1, mode = 'reflect', right = 2, top = 0, value = 0 }", tostring(l))
  end)

  -- Many channels go another way than few: a convolution is the sum of those of its channels' parts.
  it("convolve many channels as they do few", function()
    local function parts_of(t, dim)
      local parts = {}
      for i = 1, t:shape(dim), 8 do
        parts[#parts + 1] = core.tensor(t:slice(dim, i, i + 7):totable())
        parts[#parts]:requires_grad(true)
      end
      return parts
    end
    local function near(a, b, what)
      local off = (a - b):abs():max():item()
      assert.is_true(off <= 2e-5 * (1 + b:abs():max():item()), ("%s: off by %g"):format(what, off))
    end
    mtl.manual_seed(1)
    for _, case in ipairs { { 5, 24, 7, 13, 1 }, { 2, 16, 30, 26, 0 }, { 20, 32, 4, 4, 1 }, { 1, 64, 19, 33, 2 } } do
      local batch, channels, height, width, padding = table.unpack(case)
      local x, w, bias = mtl.randn(batch, channels, height, width), mtl.randn(40, channels, 3, 3), mtl.randn(40)
      for _, t in ipairs { x, w, bias } do
        t:requires_grad(true)
      end
      local y = x:conv2d(w, bias, { padding = padding })
      local dy, sum = mtl.randn(table.unpack(y:shape())), nil
      y:backward(dy)
      local xs, ws = parts_of(x, 2), parts_of(w, 2)
      for i in ipairs(xs) do
        local part = xs[i]:conv2d(ws[i], nil, { padding = padding })
        part:backward(dy, { retain = true })
        sum = sum and sum + part or part
      end
      local shown = table.concat(case, " ")
      near(y, sum + bias:reshape(1, 40, 1, 1), shown .. ": output")
      for i in ipairs(xs) do
        near(x:grad():slice(2, 8 * i - 7, 8 * i), xs[i]:grad(), shown .. ": gradient of the input")
        near(w:grad():slice(2, 8 * i - 7, 8 * i), ws[i]:grad(), shown .. ": gradient of the weight")
      end
    end
  end)

  it("make an encoder and a decoder", function()
    local net = nn.sequential {
      nn.conv2d(nil, 8, 3, { stride = 2, padding = 1 }), nn.relu(),
      nn.conv2d(nil, 8, 3, { padding = 1, groups = 8 }), nn.conv2d(nil, 12, 1), nn.relu(),
      nn.conv2d(nil, 12, 3, { padding = 2, dilation = 2 }), nn.relu(),
      nn.conv_transpose2d(nil, 6, 4, { stride = 2, padding = 1 }),
      nn.pad(0, 1, 1, 0, { mode = "replicate" }),
      nn.upsample { size = { 20, 24 }, mode = "bilinear" }, nn.adaptive_avg_pool2d { 5, 6 },
      nn.upsample { scale_factor = 2 },
    }
    local model = frozen(net, { 3, 16, 16 })
    assert.same({ 6, 10, 12 }, model:output_shape(1))
    local y = model:forward({ core.randn(2, 3, 16, 16) }, nil, true)[1]
    assert.same({ 2, 6, 10, 12 }, y:shape())
    y:sum():backward()
  end)

  it("say what is wrong", function()
    assert.matches("groups is 0, which should be a whole number of at least 1",
      message(nn.conv2d, 4, 4, 3, { groups = 0 }))
    assert.matches("dilation is { 1, 2, 3 }", message(nn.conv2d, 4, 4, 3, { dilation = { 1, 2, 3 } }), 1, true)
    assert.matches("did you mean 'output_padding'", message(nn.conv_transpose2d, 4, 4, 3, { output_paddin = 1 }))
    assert.matches("output_size is missing", message(nn.adaptive_avg_pool2d))
    assert.matches("left is %-1", message(nn.pad, -1))
    assert.matches("(conv2d): groups is 3, which should divide the 4 channels of the input and the 6 of the output",
      message(frozen, nn.conv2d(nil, 6, 1, { groups = 3 }), { 4, 5, 5 }), 1, true)
    assert.matches("mode is 'cubic', which should be one of 'nearest', 'bilinear'", message(function()
      frozen(nn.upsample { size = 4, mode = "cubic" }, { 1, 2, 2 })
    end))
    assert.matches("scale_factor or size should be given", message(frozen, nn.upsample {}, { 1, 2, 2 }))
    assert.matches("kernel_size is 1000000000000000 for a size of 5",
      message(frozen, nn.conv_transpose2d(nil, 1, 10 ^ 15), { 1, 5, 5 }))
    assert.matches("a window of 1000000000000000 x 1000000000000000 does not fit",
      message(frozen, nn.conv2d(nil, 1, 10 ^ 15), { 1, 5, 5 }))
  end)
end)

describe("core", function()
  it("convolves with dilation and groups, and back", function()
    local x = core.tensor { { { { 1, 2, 3, 4, 5 } }, { { 1, 0, 0, 0, 2 } } } } -- [1, 2, 1, 5]
    local w = core.tensor { { { { 1, 10 } } }, { { { 1, 1 } } } } -- [2, 1, 1, 2]
    local y = x:conv2d(w, nil, { dilation = { 1, 2 }, groups = 2 })
    assert.same({ { { { 31, 42, 53 } }, { { 1, 0, 2 } } } }, y:totable())
    y = mtl.conv_transpose2d(core.tensor { { { { 1, 2 } } } }, core.tensor { { { { 1, 10 } } } },
      core.tensor { 0.5 }, { stride = { 1, 2 }, output_padding = { 0, 1 } })
    assert.same({ { { { 1.5, 10.5, 2.5, 20.5, 0.5 } } } }, y:totable())
  end)

  it("changes the size of images", function()
    local x = core.tensor { { { { 1, 3 } } } }
    assert.same({ { { { 1, 1, 3, 3 }, { 1, 1, 3, 3 } } } }, x:upsample({ scale_factor = 2 }):totable())
    assert.same({ { { { 1, 1.5, 2.5, 3 } } } }, mtl.upsample(x, { size = { 1, 4 }, mode = "bilinear" }):totable())
    assert.same({ { { { 2 } } } }, x:adaptive_avg_pool2d(1):totable())
    assert.same({ { { { 1, 3 }, { 1, 3 } } } }, mtl.adaptive_avg_pool2d(x, { 2, 2 }):totable())
    assert.same({ { { { 3, 1, 3, 1 } } } }, x:pad({ 1, 1, 0, 0 }, { mode = "reflect" }):totable())
    assert.same({ { { { 1, 3, 7 }, { 7, 7, 7 } } } }, mtl.pad(x, { 0, 1, 0, 1 }, { value = 7 }):totable())
  end)

  -- In a sequential, a relu is done after a max pool that follows it.
  it("pool what a relu leaves", function()
    mtl.manual_seed(1)
    local nan, scale = 0 / 0, mtl.randn(2, 3, 3, 3)
    local values = mtl.randn(2, 3, 6, 6):totable()
    values[1][1][1][1], values[1][2][3] = nan, { -1, -1, 0, 2, 2, 2 }
    local function run(apply)
      local x = core.tensor(values)
      x:requires_grad(true)
      local y = apply(x)
      ;(y * scale):sum():backward()
      return core.json_encode(y:totable()), core.json_encode(x:grad():totable())
    end
    local y, dx = run(nn.sequential { nn.relu(), nn.max_pool2d(2) })
    local want, want_dx = run(function(x)
      return nn.max_pool2d(2)(nn.relu()(x))
    end)
    assert.equal(want, y)
    assert.equal(want_dx, dx)
    assert.matches("null", y, 1, true)
  end)

  it("says what is wrong with their arguments", function()
    local x = core.zeros(1, 2, 4, 4)
    assert.matches("unknown option 'dilatoin'; there are stride, padding, dilation, groups",
      message(core.conv2d, x, core.zeros(2, 2, 3, 3), nil, { dilatoin = 2 }))
    assert.matches("unknown option 'output_padding'",
      message(core.conv2d, x, core.zeros(2, 2, 3, 3), nil, { output_padding = 1 }))
    assert.matches("groups is two, which should be a whole number",
      message(core.conv2d, x, core.zeros(2, 1, 3, 3), nil, { groups = "two" }))
    assert.matches("weight of shape [2, 3], which should be [in, out / groups, height, width]",
      message(core.conv_transpose2d, x, core.zeros(2, 3)), 1, true)
    assert.matches("mode is cubic, which should be one of 'nearest', 'bilinear'",
      message(core.upsample, x, { size = 2, mode = "cubic" }))
    assert.matches("mode is 3, which should be one of 'constant', 'reflect', 'replicate'",
      message(core.pad, x, { 1, 1, 1, 1 }, { mode = 3 }))
    assert.matches("either scale_factor or size", message(core.upsample, x, {}))
    assert.matches("either scale_factor or size", message(core.upsample, x, { size = 2, scale_factor = 2 }))
    assert.matches("scale_factor is %-2", message(core.upsample, x, { scale_factor = -2 }))
    assert.matches("upsample: input [1, 2, 4]",
      message(core.upsample, core.zeros(1, 2, 4), { scale_factor = 2 }), 1, true)
    assert.matches("one number or { height, width }", message(core.adaptive_avg_pool2d, x, { 1, 2, 3 }), 1, true)
    assert.matches("should be { left, right, top, bottom }", message(core.pad, x, 1), 1, true)
    assert.matches("should be { left, right, top, bottom }", message(core.pad, x, { 1 }), 1, true)
  end)
end)
