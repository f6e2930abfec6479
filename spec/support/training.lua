--- What the specs of training share: a small recipe, folders that are taken away, and the content of a run.
local core = require "mtl.core"
local mtl = require "mtl"

local support = {}

--- Points of the plane with three tasks; `change(t)` may alter the recipe's table before it is checked.
function support.recipe(change)
  local points = core.uniform_(core.zeros(400, 2), 7, "spec/points", 0, -2, 2)
  local x, y = points:select(2, 1), points:select(2, 2)
  local radius = (x * x + y * y):sqrt()
  local t = {
    name = "spec", seed = 3, log_every = 5,
    data = mtl.data.tensors {
      inputs = points,
      targets = {
        side = core.gt(y, (x * 2):tanh()):cast "int32",
        ring = (core.gt(radius, 0.9) + core.gt(radius, 1.6)):cast "int32",
        height = (-(x * x) - y * y):exp(),
      },
      batch = 64,
    },
    trunk = mtl.nn.sequential { mtl.nn.linear(2, 16), mtl.nn.tanh(), mtl.nn.dropout(0.1) },
    tasks = {
      { name = "side", head = mtl.nn.linear(16, 2), loss = mtl.loss.cross_entropy(), kpi = mtl.kpi.accuracy() },
      { name = "ring", head = mtl.nn.linear(16, 3), loss = mtl.loss.cross_entropy(), kpi = mtl.kpi.accuracy() },
      { name = "height", head = mtl.nn.linear(16, 1), loss = mtl.loss.mse(), kpi = mtl.kpi.r2(),
        metrics = { mtl.metric.rmse() } },
    },
    optimizer = mtl.optim.adam { lr = 1e-2 },
    stages = {
      { name = "one", tasks = { "side" }, policy = mtl.policy.uniform(), ends = mtl.when.epochs(1) },
      { name = "all", tasks = { "side", "ring", "height" }, policy = mtl.policy.focal { normalize = true },
        ends = mtl.when.epochs(2) },
    },
  }
  if change then
    change(t)
  end
  return mtl.recipe(t)
end

function support.remove(path)
  local stat = core.stat(path)
  if stat and stat.type == "folder" then
    for _, name in ipairs(core.listdir(path)) do
      support.remove(path .. "/" .. name)
    end
  end
  core.remove(path)
end

--- A folder of its own for a spec; runs go below it.
function support.folder()
  local path = os.tmpname()
  os.remove(path)
  core.mkdir(path)
  return path
end

function support.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

function support.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

--- The records of metrics.jsonl.
function support.records(out, kind)
  local list = {}
  for line in support.read(out .. "/metrics.jsonl"):gmatch "[^\n]+" do
    local record = core.json_decode(line)
    if not kind or record.kind == kind then
      list[#list + 1] = record
    end
  end
  return list
end

--- All tensors of the checkpoint as bytes, and the log without its times.
function support.content(out)
  local file = core.safetensors_read(out .. "/checkpoint.safetensors")
  local names, parts = file:names(), {}
  table.sort(names)
  for i, name in ipairs(names) do
    parts[i] = name .. "=" .. file:tensor(name):bytes()
  end
  return table.concat(parts), (support.read(out .. "/metrics.jsonl"):gsub('"samples_per_s":[^,]*,', ""))
end

return support
