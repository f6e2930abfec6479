-- W6: ResNet-18 with the first layer of CIFAR's (He et al. 2016) on made-up images of 3 x 32 x 32; two heads of 10 and
-- 100 classes.
local mtl = require "mtl"
local nn = mtl.nn

mtl.manual_seed(1)
local rows = ... or 1280
local nodes = {}

local function add(name, layer, ...)
  nodes[#nodes + 1] = { name, layer, from = { ... } }
  return name
end

local function conv(planes, kernel, stride)
  return nn.conv2d(nil, planes, kernel, { stride = stride, padding = kernel // 2, bias = false })
end

-- Two convolutions beside a shortcut, which is a convolution of its own where the size changes.
local function block(name, from, planes, stride)
  local main = add(name .. ".main", nn.sequential {
    conv(planes, 3, stride), nn.batch_norm2d(), nn.relu(), conv(planes, 3, 1), nn.batch_norm2d(),
  }, from)
  local short = stride == 1 and from or add(name .. ".short", nn.sequential { conv(planes, 1, stride),
    nn.batch_norm2d() }, from)
  return add(name .. ".out", nn.relu(), add(name .. ".sum", nn.add(), main, short))
end

local last = add("stem", nn.sequential { conv(64, 3, 1), nn.batch_norm2d(), nn.relu() }, "input")
for level, planes in ipairs { 64, 128, 256, 512 } do
  for k = 1, 2 do
    last = block(("level%d_%d"):format(level, k), last, planes, level > 1 and k == 1 and 2 or 1)
  end
end
last = add("pool", nn.sequential { nn.adaptive_avg_pool2d(1), nn.flatten() }, last)
add("coarse", nn.linear(512, 10), last)
add("fine", nn.linear(512, 100), last)

return mtl.recipe {
  name = "resnet",
  data = mtl.data.tensors {
    inputs = mtl.randn(rows, 3, 32, 32),
    targets = { coarse = (mtl.rand(rows) * 10):cast "int32", fine = (mtl.rand(rows) * 100):cast "int32" },
    classes = { coarse = 10, fine = 100 }, split = { 1 }, batch = 64,
  },
  model = nn.graph { inputs = { "input" }, nodes = nodes, outputs = { coarse = "coarse", fine = "fine" } },
  tasks = {
    { name = "coarse", loss = mtl.loss.cross_entropy() },
    { name = "fine", loss = mtl.loss.cross_entropy() },
  },
  optimizer = mtl.optim.sgd { lr = 0.01, momentum = 0.9 },
  ends = mtl.when.steps(1000000),
}
