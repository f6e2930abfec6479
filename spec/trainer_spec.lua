local core = require "mtl.core"
local failure = require "mtl.failure"
local mtl = require "mtl"
local support = dofile "spec/support/training.lua"
local trainer = require "mtl.trainer"

local base, count = nil, 0

local function fresh()
  count = count + 1
  return base .. "/run" .. count
end

local function train(change, options)
  options = options or {}
  options.out = options.out or fresh()
  local summary, t = trainer.train(support.recipe(change), options)
  return options.out, summary, t
end

setup(function() base = support.folder() end)
teardown(function() support.remove(base) end)

describe("trainer", function()
  it("goes through the stages and logs what it does", function()
    local out, summary = train()
    assert.same({ "one", "all" }, { summary.stages[1].name, summary.stages[2].name })
    assert.equal(15, summary.steps) -- 320 rows in batches of 64: 5 steps an epoch
    assert.equal(3, summary.epochs)
    local kinds = {}
    for i, record in ipairs(support.records(out)) do
      kinds[i] = record.kind:sub(1, 2) .. (record.step or "")
    end
    assert.same({ "st0", "st1", "st5", "va5", "st5", "st6", "st10", "va10", "st11", "st15", "va15", "te15" }, kinds)
    local steps = support.records(out, "step")
    assert.same({ side = true }, { side = steps[1].tasks.side ~= nil, ring = steps[1].tasks.ring })
    for _, record in ipairs(steps) do
      local sum = 0
      for _, task in pairs(record.tasks) do
        sum = sum + task.weight * task.loss
      end
      assert.near(sum, record.loss, 1e-9)
      assert.equal(0.01, record.lr)
    end
    local stage = support.records(out, "stage")[2]
    assert.same({ kind = "stage", step = 5, stage = "all", tasks = { "side", "ring", "height" }, policy = "focal" },
      stage)
    local test = support.records(out, "test")[1].tasks
    assert.same(test, core.json_decode(support.read(out .. "/summary.json")).test)
    assert.is_true(test.side.kpi > 0.7 and test.height.metrics.rmse < 0.5)
    local run = core.json_decode(support.read(out .. "/run.json"))
    assert.same({ 3, os.getenv "MTL_DEVICE" or "cpu", "spec" }, { run.seed, run.device, run.recipe.name })
    assert.same({ train = 320, valid = 40, test = 40 }, run.data.rows)
  end)

  it("smooths KPIs itself, and a stage's change keeps them", function()
    local out = train(function(t)
      t.log_every = 1
      t.kpi_momentum = 0.8
    end)
    local ema
    for _, record in ipairs(support.records(out, "step")) do
      local side = record.tasks.side
      ema = ema and 0.8 * ema + 0.2 * side.kpi or side.kpi
      assert.near(ema, side.kpi_ema, 1e-9)
    end
  end)

  it("weighs by normalized focal weights of the smoothed KPIs", function()
    local out = train(function(t) t.log_every = 1 end)
    for _, record in ipairs(support.records(out, "step")) do
      local sum, n = 0, 0
      for _, task in pairs(record.tasks) do
        sum, n = sum + task.weight, n + 1
      end
      assert.near(n, sum, 1e-9)
    end
    local last = support.records(out, "step")
    local tasks, w = last[#last].tasks, {}
    for name, task in pairs(tasks) do
      local k = math.min(math.max(task.kpi_ema, 0.01), 1 - 1e-6)
      w[name] = -(1 - k) ^ 2 * math.log(k)
    end
    assert.near(w.ring / w.height, tasks.ring.weight / tasks.height.weight, 1e-6)
  end)

  it("leaves an inactive task's head as it was", function()
    local _, _, t = train(nil, { max_steps = 5 })
    local again = core.model(t.recipe.model_json):freeze { seed = 3, inputs = { { 2 } } }
    local before = {}
    for _, p in ipairs(again:parameters()) do
      before[p.name] = p.tensor:bytes()
    end
    for _, p in ipairs(t.model:parameters()) do
      assert.equal(p.name:find("heads.ring", 1, true) ~= nil or p.name:find("heads.height", 1, true) ~= nil,
        before[p.name] == p.tensor:bytes(), p.name)
    end
  end)

  it("leaves a task without labels out of the step", function()
    local out, _, t = train(function(r)
      r.log_every = 1
      local ignored = core.zeros(400, "int32")
      r.data = mtl.data.tensors { inputs = r.data.inputs, batch = 64, classes = { height = 2 },
        targets = { side = r.data.targets.side, ring = r.data.targets.ring, height = ignored } }
      r.tasks[3] = { name = "height", head = mtl.nn.linear(16, 2), loss = mtl.loss.cross_entropy { ignore = 0 } }
    end)
    for _, record in ipairs(support.records(out, "step")) do
      assert.is_nil(record.tasks.height)
    end
    local valid = support.records(out, "valid")[2].tasks
    assert.equal(core.null, valid.height.loss)
    assert.equal(core.null, valid.height.kpi)
    assert.is_nil(t.at.kpi_ema.height)
    local again = core.model(t.recipe.model_json):freeze { seed = 3, inputs = { { 2 } } }
    for i, p in ipairs(again:parameters()) do
      if p.name:find "heads.height" then
        assert.equal(p.tensor:bytes(), t.model:parameters()[i].tensor:bytes())
      end
    end
  end)

  it("freezes what a stage says, and thaws it after", function()
    local seen = {}
    local out = fresh()
    trainer.train(support.recipe(function(t)
      t.stages[2].freeze = { "trunk" }
      t.stages[3] = { name = "thawed", tasks = { "side" }, policy = mtl.policy.uniform(), ends = mtl.when.epochs(1) }
    end), { out = out, progress = {
      epoch = function(_, ev)
        seen[ev.epoch] = core.safetensors_read(out .. "/checkpoint.safetensors"):tensor("trunk.0.weight"):bytes()
      end,
    } })
    assert.equal(seen[1], seen[2])
    assert.equal(seen[2], seen[3])
    assert.not_equal(seen[3], seen[4])
  end)

  it("ends stages by steps, KPI and max_epochs", function()
    local _, summary = train(function(t)
      t.stages[1].ends = mtl.when.steps(7)
      t.stages[2].ends = mtl.when.kpi("side", 0.5) | mtl.when.epochs(9)
      t.stages[3] = { name = "cut", tasks = { "side" }, policy = mtl.policy.uniform(),
        ends = mtl.when.kpi("side", 1), max_epochs = 2 }
    end)
    assert.same({ 7, 5, 10 }, { summary.stages[1].steps, summary.stages[2].steps, summary.stages[3].steps })
    assert.same({ 2, 1, 2 }, { summary.stages[1].epochs, summary.stages[2].epochs, summary.stages[3].epochs })
  end)

  it("counts a schedule by the stage's steps", function()
    local out = train(function(t)
      t.log_every = 1
      t.optimizer = mtl.optim.adam { lr = 1, schedule = mtl.optim.constant { warmup = 4 } }
      t.stages[2].ends = mtl.when.epochs(1)
    end)
    local lrs = {}
    for i, record in ipairs(support.records(out, "step")) do
      lrs[i] = record.lr
    end
    assert.same({ 0.25, 0.5, 0.75, 1, 1, 0.25, 0.5, 0.75, 1, 1 }, lrs)
  end)

  it("learns the weights of policy.uncertainty, without touching those of absent tasks", function()
    local out, _, t = train(function(r)
      r.policy = mtl.policy.uncertainty()
      r.stages = {
        { name = "a", tasks = { "side", "ring" }, policy = r.policy, ends = mtl.when.epochs(2) },
        { name = "b", tasks = { "side", "height" }, policy = r.policy, ends = mtl.when.epochs(1) },
      }
    end)
    local learned = t.policies[1].learned
    assert.not_equal(0, learned[1].tensor:item())
    assert.same({ 15, 10, 5 }, { learned[1].optimizer:counts()[1], learned[2].optimizer:counts()[1],
      learned[3].optimizer:counts()[1] })
    assert.is_nil(t.policies[2]) -- both stages name one policy: it has one state
    local last = support.records(out, "step")
    assert.not_equal(1, last[#last].tasks.side.weight)
  end)

  it("stops at a loss that is not finite, and keeps the last good checkpoint", function()
    local out = fresh()
    local ok, e = pcall(train, function(t)
      local calls = 0
      t.tasks[3].loss = mtl.loss.custom(function(pred, target)
        calls = calls + 1
        local x = (pred:reshape(target:shape()) - target):square():mean()
        return calls > 8 and x / 0 or x
      end)
    end, { out = out })
    assert.is_false(ok)
    local message, status = failure.describe(e)
    assert.equal(2, status)
    assert.truthy(message:find("'height'", 1, true), message)
    assert.truthy(message:find("the checkpoint of step 10 is kept", 1, true), message)
    assert.is_truthy(core.stat(out .. "/checkpoint.safetensors"))
  end)

  it("allocates no tensor memory from the second step of a stage on", function()
    local last, grown = core.memory().allocations, {}
    for _, policy in ipairs { mtl.policy.focal { through_kpi = true }, mtl.policy.uncertainty() } do
      train(function(t)
        t.stages[1].ends = mtl.when.epochs(3)
        t.stages[2].policy, t.stages[2].ends = policy, mtl.when.epochs(8)
      end, { progress = {
        step = function(_, ev)
          local now = core.memory().allocations
          if now > last and ev.stage_step > 1 then
            grown[#grown + 1] = ("stage %s, step %d: %d"):format(ev.stage, ev.stage_step, now - last)
          end
          last = now
        end,
        epoch = function() last = core.memory().allocations end, -- validation and checkpoint may
      } })
    end
    assert.same({}, grown)
  end)

  it("gives the same bits for the same seed, with 1 and with 2 threads, and others for another", function()
    local tensors, log = support.content((train(nil, { threads = 1 })))
    local tensors2, log2 = support.content((train(nil, { threads = 2 })))
    local tensors3 = support.content((train(nil, { seed = 4 })))
    assert.is_true(tensors == tensors2)
    assert.equal(log, log2)
    assert.is_false(tensors == tensors3)
  end)

  it("refuses a folder that exists, and what this version cannot do", function()
    local out = train()
    assert.error_matches(function() train(nil, { out = out }) end, "exists")
    assert.error_matches(function()
      train(function(t) t.stages[2].policy = mtl.policy.custom(function() end, { needs = "rows" }) end)
    end, "stage 'all': policy.custom: it rewrites the task gradients themselves")
  end)

  it("keeps the best epoch by validation where the recipe selects it", function()
    local out, summary = train(function(t) t.select = "valid" end)
    local best, at, stage = -1, 0, nil
    for _, record in ipairs(support.records(out, "valid")) do
      if record.stage ~= stage then -- the first stage has one task of three: its mean is of something else
        best, stage = -1, record.stage
      end
      local sum, n = 0, 0
      for _, task in pairs(record.tasks) do
        sum, n = sum + task.kpi, n + 1
      end
      if sum / n > best then
        best, at = sum / n, record.step
      end
    end
    local info = core.json_decode(core.safetensors_read(out .. "/best.safetensors"):meta "mtl")
    assert.equal(at, info.at.step)
    assert.near(best, info.at.best, 1e-12)
    assert.same({ side = true, ring = true, height = true }, info.at.seen)
    assert.is_not_nil(summary.test.side)
  end)
end)

describe("run", function()
  it("evaluates and predicts, at once and when it is loaded", function()
    local recipe, out = support.recipe(), fresh()
    local run = recipe:run { out = out }
    local test = run:evaluate()
    assert.near(run.summary.test.side.kpi, test.side.kpi, 1e-12)
    local loaded = require "mtl.run".load(out, { recipe = support.recipe() })
    assert.same(test, loaded:evaluate "test")
    local x = core.tensor { { 0, 1.5 }, { 0, -1.5 } }
    local outputs = loaded:predict(x)
    assert.same(run:predict(x).side:totable(), outputs.side:totable())
    assert.near(1, outputs.ring:sum(2):totable()[1], 1e-6)
    assert.is_true(outputs.side:totable()[1][2] > 0.5 and outputs.side:totable()[2][2] < 0.5)
    assert.error_matches(function() loaded:evaluate "tset" end, "no split 'tset'")
  end)
end)
