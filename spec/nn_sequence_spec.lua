local core = require "mtl.core"
local mtl = require "mtl"
local nn = mtl.nn

local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

local function frozen(layer, shape)
  return core.model(core.json_encode(layer:description())):freeze { seed = 1, inputs = { shape },
    device = os.getenv "MTL_DEVICE" }
end

local function names(model)
  local list = {}
  for _, p in ipairs(model:parameters()) do
    list[#list + 1] = p.name
  end
  table.sort(list)
  return table.concat(list, " ")
end

-- The share of right answers after so many steps. @param draw function(i) -> x [n, length, features], labels int32 [n]
local function learn(layers, shape, steps, draw)
  local model = frozen(layers, shape)
  local optimizer = mtl.optim.adam { lr = 0.01 }:attach(model)
  for i = 1, steps do
    local x, labels = draw(i)
    local loss = model:forward({ x }, nil, true)[1]:cross_entropy(labels)
    model:zero_grad()
    loss:backward()
    optimizer:step()
  end
  local x, labels = draw(steps + 1)
  return mtl.eq(model:forward { x }[1]:argmax(2), labels):mean():item()
end

describe("layers over sequences", function()
  it("print themselves", function()
    assert.equal("nn.lstm { bias = true, bidirectional = true, dropout = 0, hidden_size = 8, num_layers = 2, "
      .. "output = 'last' }", tostring(nn.lstm(nil, 8, 2, { bidirectional = true, output = "last" })))
    assert.equal("nn.gru { bias = true, bidirectional = false, dropout = 0, hidden_size = 8, input_size = 3, "
      .. "num_layers = 1, output = 'sequence' }", tostring(nn.gru(3, 8)))
    assert.equal("nn.multi_head_attention { bias = true, causal = true, dropout = 0, num_heads = 4 }",
      tostring(nn.multi_head_attention(nil, 4, { causal = true })))
    assert.equal("nn.transformer_encoder_layer { activation = 'gelu', causal = false, d_model = 16, "
      .. "dim_feedforward = 2048, dropout = 0.1, layer_norm_eps = 1e-05, nhead = 4, norm_first = false }",
      tostring(nn.transformer_encoder_layer(16, 4, { activation = "gelu" })))
    assert.equal("nn.sequence_pool { how = 'max' }", tostring(nn.sequence_pool "max"))
    assert.equal("nn.position_embedding { max_length = 9 }", tostring(nn.position_embedding(9)))
  end)

  it("infer widths and name parameters as PyTorch does", function()
    local model = frozen(nn.lstm(nil, 5, 2, { bidirectional = true }), { 7, 3 })
    assert.same({ 7, 10 }, model:output_shape(1))
    assert.equal(16, #model:parameters())
    assert.matches("weight_ih_l1_reverse", names(model), 1, true)
    model = frozen(nn.gru(nil, 5, { output = "last", bias = false }), { 7, 3 })
    assert.same({ 5 }, model:output_shape(1))
    assert.equal("weight_hh_l0 weight_ih_l0", names(model))
    model = frozen(nn.multi_head_attention(nil, 2), { 7, 4 })
    assert.same({ 7, 4 }, model:output_shape(1))
    assert.equal("in_proj_bias in_proj_weight out_proj.bias out_proj.weight", names(model))
    model = frozen(nn.sequential { nn.position_embedding(9), nn.transformer_encoder_layer(nil, 2),
      nn.sequence_pool() }, { 7, 4 })
    assert.same({ 4 }, model:output_shape(1))
    assert.equal("0.weight 1.linear1.bias 1.linear1.weight 1.linear2.bias 1.linear2.weight 1.norm1.bias "
      .. "1.norm1.weight 1.norm2.bias 1.norm2.weight 1.self_attn.in_proj_bias 1.self_attn.in_proj_weight "
      .. "1.self_attn.out_proj.bias 1.self_attn.out_proj.weight", names(model))
    assert.equal(9 * 4 + 4 * 4 * 4 + 4 * 4 + 2 * 4 * 2048 + 2048 + 4 + 4 * 4, model:count())
  end)

  it("say what is wrong, and where", function()
    assert.matches("hidden_size is missing", message(nn.lstm, 3))
    assert.matches("output is 'final'", message(nn.lstm, 3, 4, { output = "final" }))
    assert.matches("activation is 'tanh'", message(nn.transformer_encoder_layer, 8, 2, { activation = "tanh" }))
    assert.matches("how is 'median'", message(nn.sequence_pool, "median"))
    assert.matches("multi_head_attention.*num_heads is 3, which should divide the features of a sample of shape "
      .. "%[5, 4%]", message(frozen, nn.multi_head_attention(nil, 3), { 5, 4 }))
    assert.matches("1 %(lstm%).*shape %[4%], which should be %[length, features%]",
      message(frozen, nn.sequential { nn.relu(), nn.lstm(nil, 3) }, { 4 }))
    assert.matches("longer than max_length, 4", message(frozen, nn.position_embedding(4), { 5, 4 }))
  end)

  it("learn what came first", function()
    local function draw(i)
      mtl.manual_seed(i)
      local x = mtl.rand(64, 6, 2) * 2 - 1
      return x, mtl.gt(x:select(2, 1):select(2, 1), 0):cast "int32"
    end
    for _, layer in ipairs { nn.lstm(nil, 8, { output = "last" }), nn.gru(nil, 8, { output = "last" }) } do
      assert.is_true(learn(nn.sequential { layer, nn.linear(nil, 2) }, { 6, 2 }, 200, draw) > 0.9)
    end
  end)

  it("learn whether two places agree", function()
    local function draw(i)
      mtl.manual_seed(i)
      local x = mtl.rand(64, 5, 2) * 2 - 1
      local product = x:select(2, 2):select(2, 1) * x:select(2, 5):select(2, 1)
      return x, mtl.gt(product, 0):cast "int32"
    end
    local layers = nn.sequential { nn.linear(nil, 16), nn.position_embedding(),
      nn.transformer_encoder_layer(nil, 2, { dim_feedforward = 32, dropout = 0 }), nn.sequence_pool "mean",
      nn.linear(nil, 2) }
    assert.is_true(learn(layers, { 5, 2 }, 300, draw) > 0.85)
  end)
end)
