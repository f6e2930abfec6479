-- Tensor memory that a policy needs beyond uniform, on the same recipe, as a multiple of the shared parameters: for T
-- tasks at most T + 1 where it works on the Gramian, 2 T + 2 where it works on rows, or on several batches, and keeps
-- some, none where it works on losses. The network is all parameters: one shared layer, for T heads of two numbers, and
-- batches of 2 rows. Activations, of which a backward pass that keeps the tasks apart has T times as many, are about a
-- hundredth of the layer. One layer is the hardest case: what it needs for a moment is as large as all that is kept.
-- 131,000 numbers, and 3 times as many, fill a block of the allocator, which rounds sizes up by as much as an eighth,
-- to 1 in 2,000.
local core = require "mtl.core"
local mtl = require "mtl"
local support = dofile "spec/support/training.lua"
local trainer = require "mtl.trainer"
local nn = mtl.nn

local T, ROWS = 3, 16

-- What cannot be declared without arguments.
local given = {
  fixed = function() return mtl.policy.fixed { a = 1, b = 1, c = 1 } end,
  custom = function()
    return mtl.policy.custom(function() return { 1, 1, 1 } end, { needs = "gram", heads = "unit" })
  end,
  crmogm = function() return mtl.policy.crmogm { mtl.policy.mgda() } end,
}

-- Trunks of one layer, and what they read.
local trunks = {
  linear = { nn.linear(1000, 131, { bias = false }), core.uniform_(core.zeros(ROWS, 1000), 7, "spec/input", 0, -1, 1) },
  conv2d = { nn.conv2d(32, 455, 3, { bias = false }),
    core.uniform_(core.zeros(ROWS, 32, 3, 3), 7, "spec/input", 0, -1, 1) },
  embedding = { nn.embedding(1048, 125), core.full({ ROWS, 1 }, 7, "int32") },
}
local shared = 131000 * 4 -- bytes, of each
local slack = shared // 20 -- activations, T x T numbers

local function recipe(policy, trunk)
  local targets, tasks = {}, {}
  for i, name in ipairs { "a", "b", "c" } do
    targets[name] = core.uniform_(core.zeros(ROWS, 2), 7, "spec/target" .. i, 0, 0, 1)
    tasks[i] = { name = name, head = nn.linear(nil, 2), loss = mtl.loss.mse(), kpi = mtl.kpi.r2() }
  end
  return mtl.recipe {
    name = "memory", seed = 3,
    data = mtl.data.tensors { inputs = trunk[2], targets = targets, batch = 2, split = { 0.5, 0.25, 0.25 } },
    trunk = nn.sequential { trunk[1], nn.tanh(), nn.flatten() },
    tasks = tasks, policy = policy, optimizer = mtl.optim.adam { lr = 1e-3 }, ends = mtl.when.epochs(1),
  }
end

local folder, runs = nil, 0

-- Bytes that training under the policy takes from the system: the allocator keeps what it once has.
local function taken(policy, trunk)
  collectgarbage()
  collectgarbage()
  core.memory_limit(1) -- an allocation that fails hands back what waits for reuse
  assert.is_false((pcall(core.zeros, 1)))
  core.memory_limit(0)
  local before = core.memory()
  assert.equal(0, before.cached)
  runs = runs + 1
  trainer.train(recipe(policy, trunks[trunk]), { out = folder .. "/" .. runs })
  local after = core.memory()
  return after.bytes + after.cached - before.bytes
end

-- Beyond uniform, in shared parameters.
local uniform = {}
local function beyond(policy, trunk)
  uniform[trunk] = uniform[trunk] or taken(mtl.policy.uniform(), trunk)
  return (taken(policy, trunk) - uniform[trunk] - slack) / shared
end

describe("memory beyond uniform, in shared parameters, of", function()
  setup(function() folder = support.folder() end)
  teardown(function() support.remove(folder) end)

  for _, name in ipairs(mtl.policy.names()) do
    local policy = (given[name] or mtl.policy[name])()
    local keeps = policy.needs == "rows" or policy.batches > 1 -- rows beside those of the step
    local times = policy.needs == "loss" and 0 or keeps and 2 * T + 2 or T + 1
    it(("policy.%s: at most %d"):format(name, times), function()
      local extra = beyond(policy, "linear")
      assert.is_true(extra <= times, ("%.2f"):format(extra))
    end)
  end

  for trunk in pairs(trunks) do
    it(("a policy on gradients over a layer %s: at most %d"):format(trunk, T + 1), function()
      local extra = beyond(mtl.policy.upgrad(), trunk)
      assert.is_true(extra <= T + 1, ("%.2f"):format(extra))
    end)
  end
end)
