local core = require "mtl.core"
local nearest = require "mtl.nearest"
local nn = require "mtl.nn"

local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

describe("nn", function()
  it("has a constructor for each layer of the core", function()
    for _, layer in ipairs(core.layer_types()) do
      assert.is_function(nn[layer.name])
    end
  end)

  it("takes positional options in order, then options by name", function()
    local l = nn.linear(nil, 50, { bias = false })
    assert.same({ type = "linear", out_features = 50, bias = false }, l:description())
    l = nn.conv2d(1, 10, { 3, 5 }, { stride = 2, padding = { 1, 0 } })
    assert.same({ type = "conv2d", in_channels = 1, out_channels = 10, kernel_size = { 3, 5 }, stride = 2,
      padding = { 1, 0 }, dilation = 1, groups = 1, bias = true }, l:description())
    assert.same(nn.linear(3, 4):description(), nn.linear({ in_features = 3, out_features = 4 }):description())
    assert.equal(0.5, nn.dropout().p)
  end)

  it("nests containers, in lists", function()
    local l = nn.sequential { nn.flatten(), nn.residual { nn.linear(4, 4), nn.relu() }, nn.concat { nn.identity(),
      nn.linear(4, 2) } }
    local d = l:description()
    assert.equal(3, #d.children)
    assert.equal("linear", d.children[2].children[1].type)
    assert.matches("nn.residual { nn.linear", tostring(l), 1, true)
  end)

  it("makes models that the core builds", function()
    local l = nn.sequential { nn.conv2d(1, 3, 3, { padding = 1 }), nn.batch_norm2d(), nn.relu(), nn.max_pool2d(2),
      nn.flatten(), nn.linear(nil, 5), nn.dropout(0.1) }
    local model = core.model(core.json_encode(l:description()))
    model:freeze { seed = 1, inputs = { { 1, 4, 4 } } }
    assert.same({ 5 }, model:output_shape(1))
  end)

  it("describes graphs", function()
    local g = nn.graph {
      nodes = {
        { "trunk", nn.linear(nil, 8) },
        { "side", nn.relu(), from = "input" },
        { "both", nn.concat {}, from = { "trunk", "side" } },
        { "heads.a", nn.linear(nil, 2) },
        { "heads.b", nn.linear(nil, 3), from = "trunk" },
      },
      outputs = { a = "heads.a", b = "heads.b" },
    }
    local model = core.model(core.json_encode(g:description { "b", "a" }))
    assert.same({ "b", "a" }, model:outputs())
    model:freeze { seed = 1, inputs = { { 4 } } }
    assert.same({ 3 }, model:output_shape(1))
    assert.same({ 2 }, model:output_shape(2))
  end)

  it("says what is wrong, and where", function()
    assert.matches("nn_spec.lua:%d+: nn.linear: out_features is %-2, which should be a whole number of at least 1",
      message(function() return (nn.linear(1, -2)) end))
    assert.matches("out_features is missing", message(nn.linear, 3))
    assert.matches("did you mean 'bias'", message(nn.linear, 3, 4, { bais = false }))
    assert.matches("argument 3 is 5", message(nn.linear, 3, 4, 5))
    assert.matches("p is 1.5", message(nn.dropout, 1.5))
    assert.matches("kernel_size is { 1, 2, 3 }", message(nn.conv2d, 1, 2, { 1, 2, 3 }), 1, true)
    assert.matches("call it: nn.relu()", message(nn.sequential, { nn.relu }), 1, true)
    assert.matches("layer 2 is 3", message(nn.sequential, { nn.relu(), 3 }))
    assert.matches("no layer 'linaer'; did you mean 'linear'", message(function() return nn.linaer end))
    assert.matches("nodes%[1%] should be", message(nn.graph, { nodes = { nn.relu() }, outputs = {} }))
  end)
end)

describe("nearest", function()
  it("measures by insertions, deletions, replacements and swaps", function()
    assert.equal(0, nearest.distance("abc", "abc"))
    assert.equal(1, nearest.distance("abc", "abd"))
    assert.equal(1, nearest.distance("abc", "acb"))
    assert.equal(3, nearest.distance("", "abc"))
    assert.equal(3, nearest.distance("kitten", "sitting"))
  end)

  it("offers what is near, else all", function()
    assert.equal("; did you mean 'huber'?", nearest.hint("hubber", { "huber", "mse" }))
    assert.equal("; there are huber, mse", nearest.hint("zzzzzz", { huber = 1, mse = 2 }))
    assert.equal("; there are none", nearest.hint("x", {}))
    assert.equal("there is no loss 'MSE'; did you mean 'mse'?", nearest.unknown("loss", "MSE", { "mse" }))
  end)
end)
