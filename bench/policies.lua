-- Times steps of MultiMNIST's LeNet with T heads under several policies, which take turns of a few steps:
--   mtl lua bench/policies.lua DATA.safetensors T TURNS THREADS POLICY...
-- DATA is what bench/twins/dump.lua writes. Prints a line of JSON: { policy = { seconds of a step, ... }, ... }.
local mtl = require "mtl"
local core = require "mtl.core"
local trainer = require "mtl.trainer"
local nn = mtl.nn

local WARM_UP, STEPS = 10, 12 -- a turn; its first step is not counted

local data = core.safetensors_read(arg[1])
local T, turns, threads = tonumber(arg[2]), tonumber(arg[3]), tonumber(arg[4])
local policies = table.move(arg, 5, #arg, 1, {})

-- Left and right digits in turn; each further pair under another permutation of the classes.
local function recipe(policy)
  local targets, tasks = {}, {}
  for i = 1, T do
    local name, shift = ("task%d"):format(i), (i - 1) // 2
    local classes = {}
    for c = 1, 10 do
      classes[c] = (c - 1 + shift) % 10
    end
    targets[name] = core.tensor(classes, "int32"):take(1, data:tensor(i % 2 == 1 and "train.left" or "train.right"))
    tasks[i] = { name = name, head = nn.linear(50, 10), loss = mtl.loss.cross_entropy(), kpi = mtl.kpi.accuracy() }
  end
  return mtl.recipe {
    name = "policies", seed = 1, log_every = 1000000, threads = threads,
    data = mtl.data.tensors { inputs = data:tensor "train.input", targets = targets, batch = 256, split = { 1, 0, 0 } },
    trunk = nn.sequential {
      nn.conv2d(1, 10, 5), nn.relu(), nn.max_pool2d(2), nn.conv2d(10, 20, 5), nn.relu(), nn.max_pool2d(2),
      nn.flatten(), nn.linear(nil, 50), nn.relu(),
    },
    tasks = tasks, policy = policy, optimizer = mtl.optim.adam { lr = 1e-3 },
    ends = mtl.when.steps(WARM_UP + turns * STEPS + 1),
  }
end

-- A training that pauses after every turn, and where it adds the times of its steps.
local function training(name, folder)
  local seconds = {}
  return seconds, coroutine.wrap(function()
    local before, turn = nil, 0
    trainer.train(recipe(mtl.policy[name]()), { out = folder .. "/" .. name, progress = {
      step = function(_, ev)
        local now = os.clock()
        if before and ev.stage_step > WARM_UP and ev.batch > 1 and ev.batch < ev.batches then
          seconds[#seconds + 1] = now - before
        end
        turn = turn + 1
        if turn == STEPS then
          turn = 0
          coroutine.yield(true)
          before = nil
        else
          before = os.clock()
        end
      end,
    } })
    return false
  end)
end

local folder = os.tmpname()
os.remove(folder)
core.mkdir(folder)
local times, running = {}, {}
for i, name in ipairs(policies) do
  times[name], running[i] = training(name, folder)
end
for _ = 1, turns do
  for i = 1, #policies do
    running[i]()
  end
end
print(core.json_encode(times))
