-- Writes what bench/twins/multimnist.py needs to train as recipes/multimnist.lua does: the data of every split, the
-- initial weights of a seed, and the order of the samples in every epoch.
--   build/mtl lua bench/twins/dump.lua FILE.safetensors [SEED]
local mtl = require "mtl"
local core = require "mtl.core"

local out, seed = arg[1], math.tointeger(tonumber(arg[2] or 1))
if not out or not seed then
  io.stderr:write("usage: mtl lua bench/twins/dump.lua FILE.safetensors [SEED]\n")
  os.exit(1)
end

local set = mtl.dataset("multimnist", { batch = 256 }):open {}
local tensors = {}
for _, split in ipairs { "train", "valid", "test" } do
  local fields = set:fields(split)
  for i, name in ipairs { "input", "left", "right" } do
    local field = fields[i]
    local tensor = field.tensor
    if tensor:dtype() == "uint8" then
      tensor = tensor:cast("float32") * field.scale + field.shift
    end
    tensors[#tensors + 1] = { split .. "." .. name, tensor }
  end
end

local recipe = dofile("recipes/multimnist.lua")
local model = core.model(recipe.model_json)
model:freeze { seed = seed, inputs = { { 1, 28, 28 } } }
for _, p in ipairs(model:parameters()) do
  tensors[#tensors + 1] = { p.name, p.tensor }
end

local orders = {}
for epoch = 1, 10 do
  orders[epoch] = core.permutation(set.rows.train, seed, core.stream("data/order"), epoch << 32)
end
tensors[#tensors + 1] = { "order", core.stack(orders, 1) }
core.safetensors_write(out, tensors, {})
