-- Task gradients of parameters of more than 32,768 numbers, which a sweep writes row by row into the arena: they are
-- those of sweeps of one task each, to the last bits but the order of sums, and a further sweep adds to them.
local core = require "mtl.core"
local mtl = require "mtl"
local nn = mtl.nn

local function noise(name, ...)
  return core.uniform_(core.zeros(...), 11, "spec/" .. name, 0, -1, 1)
end

local cases = {
  linear = { { nn.linear(256, 160), nn.tanh() }, noise("x", 4, 256) },
  ["linear of lines"] = { { nn.linear(256, 160), nn.tanh(), nn.flatten() }, noise("x", 4, 3, 256) },
  conv2d = { { nn.conv2d(32, 128, 3), nn.tanh(), nn.flatten() }, noise("x", 4, 32, 5, 5) },
  ["conv2d in groups"] = { { nn.conv2d(64, 256, 3, { groups = 2 }), nn.tanh(), nn.flatten() },
    noise("x", 2, 64, 4, 4) },
  ["second conv2d"] = { { nn.conv2d(1, 32, 3), nn.conv2d(32, 128, 3), nn.tanh(), nn.flatten() },
    noise("x", 4, 1, 7, 7) },
  conv_transpose2d = { { nn.conv_transpose2d(64, 64, 3), nn.tanh(), nn.flatten() }, noise("x", 2, 64, 3, 3) },
  embedding = { { nn.embedding(400, 100, { padding_idx = 0 }), nn.tanh(), nn.flatten() },
    core.tensor({ { 0, 7 }, { 399, 7 }, { 7, 7 } }, "int32") },
  lstm = { { nn.lstm(20, 100), nn.tanh(), nn.flatten() }, noise("x", 3, 4, 20) },
  gru = { { nn.gru(20, 120), nn.tanh(), nn.flatten() }, noise("x", 3, 4, 20) },
}

local function model_of(case)
  local nodes = { { name = "trunk", inputs = { "input" }, module = nn.sequential(case[1]):description() } }
  local outputs = {}
  for i, name in ipairs { "a", "b", "c" } do
    nodes[i + 1] = { name = name, inputs = { "trunk" }, module = nn.linear(nil, 2):description() }
    outputs[i] = { name = name, node = name }
  end
  local shape = case[2]:shape()
  table.remove(shape, 1)
  return core.model(core.json_encode { type = "graph", inputs = { "input" }, nodes = nodes, outputs = outputs })
    :freeze { seed = 5, inputs = { shape } }
end

-- The losses of tasks as roots of a sweep, task i in its own row.
local function roots(model, x, tasks)
  local out, list = model:forward({ x }, 7, true), {}
  for _, i in ipairs(tasks) do
    list[#list + 1] = { value = (out[i] - i):square():mean(), row = i }
  end
  return list
end

-- Gradients of the shared parameters by task i alone: one root, one row.
local function alone(model, x, i)
  model:zero_grad()
  local root = roots(model, x, { i })[1]
  core.backward { { value = root.value } }
  local list = {}
  for _, p in ipairs(model:parameters()) do
    if p.tasks == 7 then
      list[#list + 1] = p.tensor:grad():clone():reshape { p.tensor:count() }
    end
  end
  return list
end

describe("the rows of large parameters:", function()
  for name, case in pairs(cases) do
    it(name, function()
      local model, largest = model_of(case), 0
      for _, p in ipairs(model:parameters()) do
        largest = p.tasks == 7 and math.max(largest, p.tensor:count()) or largest
      end
      assert.is_true(largest >= 32768)
      local own = { alone(model, case[2], 1), alone(model, case[2], 2), alone(model, case[2], 3) }
      for _, sweeps in ipairs { { { 1, 2, 3 } }, { { 1, 3 } }, { { 1, 2, 3 }, { 2, 3 } } } do
        local times = { 0, 0, 0 }
        model:zero_grad()
        for _, tasks in ipairs(sweeps) do
          core.backward(roots(model, case[2], tasks), 3)
          for _, i in ipairs(tasks) do
            times[i] = times[i] + 1
          end
        end
        local rows = model:rows()
        for i = 1, 3 do
          local at = 1
          for _, g in ipairs(own[i]) do
            local row = rows:select(1, i):slice(1, at, at + #g - 1)
            local error, size = (row - g * times[i]):abs():max():item(), g:abs():max():item()
            assert.is_true(size > 0 and error <= 1e-5 * size, ("task %d: %g of %g"):format(i, error, size))
            at = at + (#g + 15) // 16 * 16 -- slots begin at 64 bytes
          end
        end
      end
    end)
  end
end)
