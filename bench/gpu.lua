-- mtl's side of bench/gpu: prints one number.
--   mtl lua bench/gpu.lua DEVICE matmul SIZE REPEAT     TFLOP/s of a float32 product of SIZE x SIZE
--   mtl lua bench/gpu.lua DEVICE steps WORKLOAD STEPS   samples/s of training steps; WORKLOAD: JSON, see bench/gpu
local mtl = require "mtl"
local core = require "mtl.core"
local nn = mtl.nn
local device, what = arg[1], arg[2]
local WARM_UP, CLASSES = 20, 10

local function matmul(size, n)
  local a, b, start = core.rand(size, size):to(device), core.rand(size, size):to(device), nil
  for i = 1, n + 5 do
    if i == 6 then
      start = core.clock()
    end
    local c <close> = core.matmul(a, b)
    if i == 5 or i == n + 5 then
      c:slice(1, 1, 1):sum():item() -- waits for the device
    end
  end
  return 2e-12 * size ^ 3 * n / (core.clock() - start)
end

local layer = {
  conv = function(from, to, kernel, padding) return nn.conv2d(from, to, kernel, { padding = padding }), nn.relu() end,
  linear = function(from, to) return nn.linear(from, to), nn.relu() end,
  pool = function() return nn.max_pool2d(2) end,
  flatten = function() return nn.flatten() end,
}

local function steps(w, n)
  local list = {}
  for _, l in ipairs(w.layers) do
    for _, made in ipairs { layer[l[1]](table.unpack(l, 2)) } do
      list[#list + 1] = made
    end
  end
  local net = nn.graph { inputs = { "input" }, outputs = { a = "a", b = "b" }, nodes = {
    { "trunk", nn.sequential(list) }, { "a", nn.linear(w.width, CLASSES), from = { "trunk" } },
    { "b", nn.linear(w.width, CLASSES), from = { "trunk" } } } }
  net:freeze { seed = 1, device = device, inputs = { w.shape } }
  local optimizer = mtl.optim.adam { lr = 1e-4 }:attach(net)
  local batch, start = core.rand(w.batch, table.unpack(w.shape)):to(device), nil
  local labels = (core.rand(w.batch) * CLASSES):cast "int32":to(device)
  for i = 1, n + WARM_UP do
    local out = net(batch)
    local a <close> = out.a
    local b <close> = out.b
    local total <close> = a:cross_entropy(labels) + b:cross_entropy(labels)
    optimizer:zero_grad()
    total:backward()
    optimizer:step()
    if i == WARM_UP or i == n + WARM_UP then
      total:item() -- waits for the device
      start = start or core.clock()
    end
  end
  return w.batch * n / (core.clock() - start)
end

print(what == "matmul" and matmul(math.tointeger(arg[3]), math.tointeger(arg[4]))
  or steps(core.json_decode(arg[3]), math.tointeger(arg[4])))
