-- What losses and KPIs ask of targets (what is missing, ignored, weighted, in range) is counted on the CPU: no device
-- is waited for.
local core = require "mtl.core"
local mtl = require "mtl"
local support = dofile "spec/support/training.lua"
local trainer = require "mtl.trainer"

local device = os.getenv "MTL_DEVICE" or "cpu"
local kpi, loss, nn = mtl.kpi, mtl.loss, mtl.nn
local ROWS = 40

local function counts(n) -- 0 .. n - 1
  return (mtl.rand(ROWS) * n):cast "int32":cast "float32"
end

-- By name: loss, KPI, target. Some labels of each are missing, some classes ignored.
local function targets()
  local votes, vectors, depth, yes = mtl.rand(ROWS, 3) + 0.1, mtl.randn(ROWS, 3), mtl.rand(ROWS), counts(2)
  votes = votes / votes:sum(2, true)
  votes[5]:fill_(0 / 0)
  vectors[2]:fill_(0)
  depth:slice(1, 1, 9):fill_(0)
  yes:slice(1, 4, 6):fill_(0 / 0)
  local class = (counts(4) - 1):cast "int32"
  return {
    votes = { loss.kl_div(), kpi.within(0.1), votes },
    vectors = { loss.cosine(), kpi.angle_within(30), vectors },
    depth = { loss.mse(), kpi.depth_within(), depth },
    bought = { loss.focal(), kpi.accuracy(), yes },
    weighted = { loss.cross_entropy { weight = { 1, 2, 3 } }, kpi.accuracy(), class },
    ignored = { loss.cross_entropy { ignore = 2 }, kpi.mean_iou { ignore = 2 }, class },
    focal = { loss.focal { alpha = { 1, 2, 3 }, ignore = 1 }, kpi.accuracy { ignore = 1 }, class },
    balanced = { loss.class_balanced(), kpi.balanced_accuracy(), class },
  }
end

-- How often steps 3 to 7 waited, in all.
local function waits(policy, list)
  local base, n, before = support.folder(), 0, nil
  trainer.train(support.recipe(function(r)
    local data = { inputs = mtl.randn(ROWS, 2), targets = {}, classes = {}, batch = 5, split = { 1 } }
    r.log_every, r.stages, r.trunk, r.tasks = 1000, nil, nn.linear(2, 8), {}
    for name, of in pairs(list) do
      local wide = of[3]:rank() == 2 or of[3]:dtype() == "int32"
      r.tasks[#r.tasks + 1] = { name = name, head = nn.linear(8, wide and 3 or 1), loss = of[1], kpi = of[2] }
      data.targets[name], data.classes[name] = of[3], of[3]:dtype() == "int32" and 3 or nil
    end
    table.sort(r.tasks, function(a, b) return a.name < b.name end)
    r.policy, r.data, r.ends = policy, mtl.data.tensors(data), mtl.when.steps(8)
  end), { out = base .. "/run", progress = { step = function(_, record)
    n = n + (record.step > 2 and record.step < 8 and core.waits() - before or 0)
    before = core.waits()
  end } })
  support.remove(base)
  return n
end

describe("what is asked of targets", function()
  it("is not waited for under a policy that is blind", function()
    local list = targets()
    list.many = { loss.poisson(), kpi.r2(), counts(4) }
    list.ranked = { loss.binary_cross_entropy(), kpi.roc_auc(), list.bought[3] }
    list.found = { loss.binary_cross_entropy(), kpi.average_precision(), list.bought[3] }
    list.each = { loss.cross_entropy(), kpi.roc_auc(), list.weighted[3] }
    assert.equal(0, waits(mtl.policy.uniform(), list))
  end)

  it("comes with what a policy through KPIs reads, once a step", function()
    assert.equal(device == "cpu" and 0 or 5, waits(mtl.policy.focal { through_kpi = true }, targets()))
  end)

  it("is looked up in what was moved, until either is written", function()
    local x = mtl.tensor { { 1, 2 }, { 3, 0 / 0 } }
    local unseen = x:to(device)
    x:survey()
    local y, before = x:to(device), core.waits()
    assert.same({ 1, 2, 3 }, { table.unpack(y:reshape(4):host():totable(), 1, 3) })
    assert.same({ 2, 2 }, y:host():shape())
    assert.equal(before, core.waits())
    assert.equal(3, unseen:host():totable()[2][1])
    assert.equal(device == "cpu" and before or before + 1, core.waits())
    y:fill_(7)
    assert.same({ { 7, 7 }, { 7, 7 } }, y:host():totable())
    if device ~= "cpu" then
      local z = x:to(device)
      x:fill_(5)
      assert.equal(3, z:host():totable()[2][1])
    end
  end)
end)
