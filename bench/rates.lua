-- What a device reaches under mtl: mtl lua bench/rates.lua [DEVICE [SIZE [THREADS]]]. One line of JSON: matrix_rate
-- (float32, SIZE x SIZE or 4096 x 4096, FLOP/s; on the CPU that is OpenBLAS) and bandwidth (adding two tensors of 256
-- MiB, bytes read and written a second).
local core = require "mtl.core"
local mtl = require "mtl"
local device = arg[1] or "cpu"
local size = tonumber(arg[2]) or 4096
local times = device == "cpu" and 3 or 20

if arg[3] then
  core.threads(tonumber(arg[3]))
end

-- Seconds of a call; one element of the last result is read, so that all have ended.
local function timed(f)
  local result
  local function run(n)
    for _ = 1, n do
      local _ <close> = result or core.zeros(1)
      result = f()
    end
    local row <close> = result:slice(1, 1, 1):to "cpu"
    return row
  end
  run(2)
  local begun = core.clock()
  run(times)
  return (core.clock() - begun) / times
end

mtl.manual_seed(1)
local a, b = mtl.rand(size, size):to(device), mtl.rand(size, size):to(device)
local matrix_rate = 2 * size ^ 3 / timed(function() return a:matmul(b) end)
local x, y = mtl.rand(1 << 26):to(device), mtl.rand(1 << 26):to(device)
local bandwidth = 3 * 4 * (1 << 26) / timed(function() return x + y end)
print(core.json_encode { matrix_rate = matrix_rate, bandwidth = bandwidth })
