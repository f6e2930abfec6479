-- What grows with the batch, with the tasks and with files: mtl lua bench/scaling.lua [THREADS [ROUNDS]]
-- Pairs of trainings take turns of a second, in one process; medians of the steps' times. LeNet, Adam, made-up images:
--   time a sample at a batch of 1024 over that at 256
--   time a task with 32 tasks over that with 8 (uniform, and pcgrad, which makes a gradient a task)
--   a step that reads its images from PNG files over one from memory, batch 256
local mtl = require "mtl"
local core = require "mtl.core"
local trainer = require "mtl.trainer"
local nn = mtl.nn

local threads, rounds = tonumber(arg[1]) or 2, tonumber(arg[2]) or 5
local ROWS, SIZE = 10240, 28
local root = os.tmpname()
os.remove(root)
core.mkdir(root)

mtl.manual_seed(1)
local images = (mtl.rand(ROWS, 1, SIZE, SIZE) * 255):cast "uint8"
local classes = (mtl.rand(ROWS) * 10):cast "int32"

-- Two tasks unless told; from PNG files where `png`.
local function recipe(o)
  local targets, tasks, names = {}, {}, {}
  for i = 1, o.tasks or 2 do
    names[i] = ("task%d"):format(i)
    targets[names[i]] = classes
    tasks[i] = { name = names[i], head = nn.linear(50, 10), loss = mtl.loss.cross_entropy() }
  end
  return mtl.recipe {
    name = "scaling", log_every = 1000000, threads = threads,
    data = o.png and mtl.data.images { dir = root .. "/images", labels = root .. "/labels.csv",
      targets = o.columns(names), mode = "gray", batch = 256, split = { 1 } }
      or mtl.data.tensors { inputs = images, targets = targets, batch = o.batch or 256, split = { 1 } },
    trunk = nn.sequential {
      nn.conv2d(1, 10, 5), nn.relu(), nn.max_pool2d(2), nn.conv2d(10, 20, 5), nn.relu(), nn.max_pool2d(2),
      nn.flatten(), nn.linear(nil, 50), nn.relu(),
    },
    tasks = tasks, policy = mtl.policy[o.policy or "uniform"](), optimizer = mtl.optim.adam { lr = 1e-3 },
    ends = mtl.when.epochs(1000),
  }
end

-- A training that pauses after every turn of a second, and the seconds of its steps (a turn's first is not counted).
local made = 0
local function training(o)
  local seconds = {}
  made = made + 1
  local out = ("%s/run%d"):format(root, made)
  return seconds, coroutine.wrap(function()
    local before, turn = nil, core.clock()
    trainer.train(recipe(o), { out = out, folder = root, progress = { step = function(_, record)
      local now = core.clock()
      if before and record.batch > 1 and record.batch < record.batches then
        seconds[#seconds + 1] = now - before
      end
      before = now
      if now - turn > 1 then
        coroutine.yield()
        before, turn = nil, core.clock()
      end
    end } })
  end)
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

-- Prints the ratio of what one unit costs: a step of `a` over `share` units, over one of `b`.
local function compare(what, a, share_a, b, share_b)
  local times_a, run_a = training(a)
  local times_b, run_b = training(b)
  for _ = 1, rounds do
    run_a()
    run_b()
  end
  local x, y = median(times_a) / share_a, median(times_b) / share_b
  print(("%-46s %8.2f / %.2f us = %.2f"):format(what, x * 1e6, y * 1e6, x / y))
end

-- The images as files, and a table of their classes.
local function write_files()
  core.mkdir(root .. "/images")
  local lines, label = { "file,class" }, classes:totable()
  for i = 1, ROWS do
    core.png_write(("%s/images/%d.png"):format(root, i), images[i])
    lines[#lines + 1] = ("%d.png,%d"):format(i, label[i])
  end
  core.file_write(root .. "/labels.csv", table.concat(lines, "\n") .. "\n")
end

print(("%d threads"):format(threads))
compare("a sample, batch 1024 over 256", { batch = 1024 }, 1024, { batch = 256 }, 256)
compare("a task, 32 over 8", { tasks = 32 }, 32, { tasks = 8 }, 8)
compare("a task, 32 over 8, pcgrad", { tasks = 32, policy = "pcgrad" }, 32, { tasks = 8, policy = "pcgrad" }, 8)
write_files()
local function columns(names)
  local t = {}
  for _, name in ipairs(names) do
    t[name] = { column = "class", classes = true }
  end
  return t
end
compare("a sample, from PNG files over from memory", { png = true, columns = columns }, 256, {}, 256)
os.execute(("rm -r '%s'"):format(root))
