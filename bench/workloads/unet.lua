-- W5: dense prediction: a U-Net (Ronneberger et al. 2015) of 32, 64 and 128 planes with batch norm on made-up images of
-- 3 x 96 x 128; three heads: 13 classes, depth, surface normals.
local mtl = require "mtl"
local nn = mtl.nn

mtl.manual_seed(1)
local rows, height, width = ... or 64, 96, 128
local nodes = {}

local function add(name, layer, ...)
  nodes[#nodes + 1] = { name, layer, from = { ... } }
  return name
end

local function double(planes)
  return nn.sequential {
    nn.conv2d(nil, planes, 3, { padding = 1, bias = false }), nn.batch_norm2d(), nn.relu(),
    nn.conv2d(nil, planes, 3, { padding = 1, bias = false }), nn.batch_norm2d(), nn.relu(),
  }
end

local function up(name, from, beside, planes)
  add(name .. "_up", nn.conv_transpose2d(nil, planes, 2, { stride = 2 }), from)
  add(name .. "_join", nn.concat {}, beside, name .. "_up")
  return add(name, double(planes), name .. "_join")
end

add("down1", double(32), "input")
add("down2", nn.sequential { nn.max_pool2d(2), double(64) }, "down1")
add("down3", nn.sequential { nn.max_pool2d(2), double(128) }, "down2")
up("up2", "down3", "down2", 64)
up("up1", "up2", "down1", 32)
add("classes", nn.conv2d(32, 13, 1), "up1")
add("depth", nn.conv2d(32, 1, 1), "up1")
add("normals", nn.conv2d(32, 3, 1), "up1")

return mtl.recipe {
  name = "unet",
  data = mtl.data.tensors {
    inputs = mtl.randn(rows, 3, height, width),
    targets = { classes = (mtl.rand(rows, height, width) * 13):cast "int32", depth = mtl.rand(rows, height, width),
      normals = mtl.randn(rows, 3, height, width) },
    classes = { classes = 13 }, split = { 1 }, batch = 4,
  },
  model = nn.graph { inputs = { "input" }, nodes = nodes,
    outputs = { classes = "classes", depth = "depth", normals = "normals" } },
  tasks = {
    { name = "classes", loss = mtl.loss.cross_entropy(), kpi = mtl.kpi.pixel_accuracy() },
    { name = "depth", loss = mtl.loss.l1(), kpi = mtl.kpi.depth_within() },
    { name = "normals", loss = mtl.loss.cosine(), kpi = mtl.kpi.angle_within() },
  },
  optimizer = mtl.optim.adam { lr = 1e-3 },
  ends = mtl.when.steps(1000000),
}
