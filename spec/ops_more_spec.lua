-- Norms, embeddings, activations and what adds up along a line or by index: tensors and layers.
local core = require "mtl.core"
local mtl = require "mtl"
local nn = mtl.nn

local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

local function near(want, got, within)
  for i, v in ipairs(want) do
    assert.near(v, got[i], within or 1e-5)
  end
  assert.equal(#want, #got)
end

local function frozen(layer, shape)
  return core.model(core.json_encode(layer:description())):freeze { seed = 1, inputs = { shape },
    device = os.getenv "MTL_DEVICE" }
end

describe("more operators", function()
  local a = core.tensor { { 1, 2, 3 }, { 4, 5, 9 } }
  local ints = core.tensor({ 1, 3, 1, 0 }, "int32")

  it("pick the greatest or the least", function()
    local values, order = a:topk(2)
    assert.same({ { 3, 2 }, { 9, 5 } }, values:totable())
    assert.same({ { 2, 1 }, { 2, 1 } }, order:totable())
    assert.same({ { 1, 2, 3 } }, a:topk(1, 1, false):totable())
    assert.same({ { 4, 5, 9 } }, mtl.topk(a, 1, 1, true):totable())
    assert.matches("topk: k is 4, which should be 0 to 3", message(a.topk, a, 4), 1, true)
    assert.matches("topk: dimension 3 of a tensor of shape [2, 3]", message(a.topk, a, 1, 3), 1, true)
  end)

  it("sum up, count, and measure spread", function()
    assert.same({ { 1, 3, 6 }, { 4, 9, 18 } }, a:cumsum():totable())
    assert.same({ { 1, 2, 3 }, { 5, 7, 12 } }, mtl.cumsum(a, 1):totable())
    near({ 1, 7 }, a:var(2):totable())
    near({ 2 / 3, 14 / 3 }, mtl.var(a, 2, false, 0):totable())
    assert.same({ 2, 1 }, a:std(-1, true):shape())
    assert.near(8, a:var():item(), 1e-5)
    assert.near(math.sqrt(8), a:std():item(), 1e-5)
    assert.same({ 1, 2, 0, 1 }, ints:bincount():totable())
    assert.same({ 1, 2, 0, 1, 0, 0 }, mtl.bincount(ints, 6):totable())
    assert.equal("int32", ints:bincount():dtype())
    assert.matches("var: the correction is %-1", message(a.var, a, 1, false, -1))
    assert.matches("bincount: index %-1", message(mtl.bincount, core.tensor({ -1 }, "int32")))
    assert.matches("the indices are float32, which should be int32", message(a.bincount, a), 1, true)
    assert.matches("bincount", message(ints.bincount, ints, -3))
  end)

  it("add by index, and look up rows", function()
    local x, src = core.zeros(4), core.tensor { 1, 2, 4, 8 }
    assert.same({ 8, 5, 0, 2 }, x:scatter_add(1, ints, src):totable())
    assert.same({ 0, 0, 0, 0 }, x:totable())
    local weight = core.tensor { { 0, 1 }, { 2, 3 }, { 4, 5 } }:requires_grad(true)
    local rows = mtl.embedding(core.tensor({ { 2, 0 } }, "int32"), weight, 0)
    assert.same({ { { 4, 5 }, { 0, 1 } } }, rows:totable())
    rows:sum():backward()
    assert.same({ { 0, 0 }, { 0, 0 }, { 1, 1 } }, weight:grad():totable())
    assert.same({ 2, 3 }, core.tensor(1):embedding(weight):totable())
    assert.matches("embedding: index 3 (element 1 of the indices), which should be 0 to 2",
      message(mtl.embedding, core.tensor({ 0, 3 }, "int32"), weight), 1, true)
    assert.matches("index 0.5 (element 0 of the indices), which should be a whole number",
      message(mtl.embedding, core.tensor { 0.5 }, weight), 1, true)
    assert.matches("scatter_add: what is added has shape [3], which should be [4]",
      message(x.scatter_add, x, 1, ints, core.zeros(3)), 1, true)
  end)

  it("norm", function()
    local root = math.sqrt(1.5)
    near({ -root, 0, root }, core.tensor({ 1, 2, 3 }):layer_norm():totable(), 1e-4)
    near({ 1 - root, 1, 1 + 3 * root }, mtl.layer_norm(core.tensor { 1, 2, 3 }, 1, core.tensor { 1, 2, 3 },
      core.ones(3)):totable(), 1e-4)
    assert.near(-1, core.tensor({ { 1, 1 }, { 3, 3 } }):layer_norm(2)[1][1]:item(), 1e-4)
    near({ -1, 1, -1, 1 }, core.tensor({ { 1, 3, 5, 9 } }):group_norm(2)[1]:totable(), 1e-4)
    assert.matches("layer_norm: the last 3 dimensions of x, whose shape is [2, 3]", message(a.layer_norm, a, 3), 1,
      true)
    assert.matches("layer_norm", message(a.layer_norm, a, -1))
    assert.matches("group_norm: 2 groups, which should divide the channels of x, 3", message(a.group_norm, a, 2), 1,
      true)
    assert.matches("layer_norm: weight has shape [2], which should be [3]",
      message(a.layer_norm, a, 1, core.ones(2)), 1, true)
  end)

  it("activate", function()
    local x = core.tensor { -1, 0, 2 }
    near({ math.exp(-1) - 1, 0, 2 }, x:elu():totable())
    near({ 2 * math.exp(-1) - 2, 0, 2 }, mtl.elu(x, 2):totable())
    near({ 0.3132617, 0.6931472, 2.1269280 }, x:softplus():totable())
    near({ 0.0634640, 0.3465736, 2.0090750 }, mtl.softplus(x, 2):totable())
    near({ -0.2689414, 0, 1.7615942 }, x:silu():totable())
    near({ -0.25, 0, 2 }, mtl.prelu(x, core.tensor { 0.25 }):totable())
    near({ -0.5, 0, 2 }, x:reshape(1, 3):prelu(core.tensor { 0.5, 1, 2 })[1]:totable())
    assert.matches("softplus: beta is 0, which should be positive", message(x.softplus, x, 0))
    assert.matches("prelu: the weight has shape [2]", message(x.prelu, x, core.ones(2)), 1, true)
  end)
end)

describe("more layers", function()
  it("print themselves", function()
    assert.equal("nn.layer_norm { bias = true, elementwise_affine = true, eps = 1e-05, normalized_shape = 8 }",
      tostring(nn.layer_norm(8)))
    assert.equal("nn.group_norm { affine = false, eps = 1e-05, num_groups = 4 }",
      tostring(nn.group_norm(4, nil, { affine = false })))
    assert.equal("nn.embedding { embedding_dim = 8, num_embeddings = 100, padding_idx = 0 }",
      tostring(nn.embedding(100, 8, { padding_idx = 0 })))
    assert.equal("nn.embedding { embedding_dim = 8, num_embeddings = 100 }", tostring(nn.embedding(100, 8)))
    assert.equal("nn.elu { alpha = 0.5 }", tostring(nn.elu(0.5)))
    assert.equal("nn.softplus { beta = 1 }", tostring(nn.softplus()))
    assert.equal("nn.silu()", tostring(nn.silu()))
    assert.equal("nn.prelu { init = 0.25, num_parameters = 3 }", tostring(nn.prelu(3)))
  end)

  it("say what is wrong", function()
    assert.matches("num_groups", message(nn.group_norm))
    assert.matches("embedding_dim", message(nn.embedding, 10))
    assert.matches("num_embeddings", message(nn.embedding, 0, 8))
    assert.matches("padding_idx", message(nn.embedding, 10, 8, { padding_idx = -1 }))
    assert.matches("beta", message(nn.softplus, -1))
    assert.matches("normalized_shape is 5, but a sample has shape [4]",
      message(frozen, nn.layer_norm(5), { 4 }), 1, true)
  end)

  it("learn which words say yes", function()
    local model = frozen(nn.sequential { nn.embedding(6, 4), nn.layer_norm(), nn.silu(), nn.flatten(),
      nn.linear(nil, 8), nn.prelu(), nn.linear(nil, 2) }, { 3 })
    local x = core.tensor({ { 0, 1, 2 }, { 3, 1, 5 }, { 4, 0, 2 }, { 5, 3, 0 } }, "int32")
    local labels = core.tensor({ 0, 1, 0, 1 }, "int32")
    local optimizer = mtl.optim.adam { lr = 0.05 }:attach(model)
    for _ = 1, 40 do
      local loss = model:forward({ x }, nil, true)[1]:cross_entropy(labels)
      model:zero_grad()
      loss:backward()
      optimizer:step()
    end
    assert.same({ 0, 1, 0, 1 }, model:forward({ x })[1]:argmax(2):totable())
    assert.same({ 0, 1, 0, 1 }, model:forward({ x:cast "float32" })[1]:argmax(2):totable())
    assert.matches("0 (embedding): embedding: index 6 (element 2 of the indices), which should be 0 to 5",
      message(model.forward, model, { core.tensor({ { 0, 0, 6 } }, "int32") }), 1, true)
  end)
end)
