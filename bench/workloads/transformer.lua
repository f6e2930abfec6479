-- W7: a transformer's encoder of two layers, width 128, 4 heads, on made-up sequences of 64; two heads on their mean.
local mtl = require "mtl"
local nn = mtl.nn

mtl.manual_seed(1)
local rows, options = ... or 1280, { dim_feedforward = 512, dropout = 0 }

return mtl.recipe {
  name = "transformer",
  data = mtl.data.tensors {
    inputs = mtl.randn(rows, 64, 128),
    targets = { kind = (mtl.rand(rows) * 10):cast "int32", amount = mtl.rand(rows) },
    classes = { kind = 10 }, split = { 1 }, batch = 32,
  },
  trunk = nn.sequential {
    nn.transformer_encoder_layer(128, 4, options), nn.transformer_encoder_layer(128, 4, options),
    nn.sequence_pool "mean",
  },
  tasks = {
    { name = "kind", head = nn.linear(128, 10), loss = mtl.loss.cross_entropy() },
    { name = "amount", head = nn.linear(128, 1), loss = mtl.loss.mse(), kpi = mtl.kpi.r2() },
  },
  optimizer = mtl.optim.adam { lr = 1e-3 },
  ends = mtl.when.steps(1000000),
}
