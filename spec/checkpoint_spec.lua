local core = require "mtl.core"
local checkpoint = require "mtl.checkpoint"
local mtl = require "mtl"
local support = dofile "spec/support/training.lua"
local trainer = require "mtl.trainer"

local base, count = nil, 0

local function fresh()
  count = count + 1
  return base .. "/run" .. count
end

setup(function() base = support.folder() end)
teardown(function() support.remove(base) end)

-- Recipes whose every part has a state to be kept.
local kinds = {
  focal = function() end,
  through_kpi = function(t) t.stages[2].policy = mtl.policy.focal { through_kpi = true, warm = 3 } end,
  uncertainty = function(t) t.stages[2].policy = mtl.policy.uncertainty { lr = 0.1 } end,
  custom = function(t)
    t.stages[2].policy = mtl.policy.custom(function(_, state)
      state.n = (state.n or 0) + 1
      return { 1 / state.n, 1, 1 }
    end)
  end,
  plateau = function(t) t.stages[2].ends = mtl.when.plateau { task = "ring", patience = 1 } | mtl.when.epochs(3) end,
  sgd = function(t)
    t.optimizer = mtl.optim.sgd { lr = 0.1, momentum = 0.9, schedule = mtl.optim.cosine { warmup = 4 } }
    t.stages[1].ends, t.stages[2].reset_optimizer, t.clip, t.select = mtl.when.steps(7), true, 0.5, "valid"
  end,
  batch_norm = function(t)
    t.trunk = mtl.nn.sequential { mtl.nn.linear(2, 16), mtl.nn.batch_norm1d(16), mtl.nn.tanh(), mtl.nn.dropout(0.2) }
  end,
}

describe("a training that was stopped", function()
  for name, change in pairs(kinds) do
    it("leads to the same bits as one that was not: " .. name, function()
      local whole = fresh()
      trainer.train(support.recipe(change), { out = whole })
      local tensors, log = support.content(whole)
      for stop = 1, 16, 3 do
        local out = fresh()
        trainer.train(support.recipe(change), { out = out, max_steps = stop })
        trainer.train(support.recipe(change), { out = out, resume = true })
        local tensors2, log2 = support.content(out)
        assert.is_true(tensors == tensors2, ("stopped at step %d"):format(stop))
        assert.equal(log, log2)
      end
    end)
  end

  it("goes on from a checkpoint within an epoch, with what was logged after it cut off", function()
    local whole, out = fresh(), fresh()
    trainer.train(support.recipe(), { out = whole })
    local ok = pcall(trainer.train, support.recipe(), { out = out, checkpoint_seconds = 0, progress = {
      step = function(_, ev)
        if ev.step == 8 then
          error "killed"
        end
      end,
    } })
    assert.is_false(ok)
    support.write(out .. "/metrics.jsonl", support.read(out .. "/metrics.jsonl") .. '{"kind":"st')
    assert.equal(7, checkpoint.open(out .. "/checkpoint.safetensors").info.at.step)
    local resumed
    trainer.train(support.recipe(), { out = out, resume = true, progress = {
      start = function(_, info) resumed = info.resumed end,
    } })
    assert.equal(7, resumed)
    assert.same({ support.content(whole) }, { support.content(out) })
  end)

  it("begins anew where there is no checkpoint yet", function()
    local out = fresh()
    core.mkdir(out)
    support.write(out .. "/metrics.jsonl", "left over\n")
    trainer.train(support.recipe(), { out = out, resume = true })
    local other = fresh()
    trainer.train(support.recipe(), { out = other })
    assert.same({ support.content(other) }, { support.content(out) })
  end)

  it("says so where weights lie there", function()
    local out, said = fresh(), nil
    core.mkdir(out)
    support.write(out .. "/best.safetensors", "")
    trainer.train(support.recipe(), { out = out, resume = true, progress = {
      note = function(_, line) said = line end,
    } })
    assert.matches("^no checkpoint: from the beginning %(its weights: %-%-init ", said)
  end)

  it("may be resumed after its end", function()
    local out = fresh()
    trainer.train(support.recipe(), { out = out })
    local before = { support.content(out) }
    trainer.train(support.recipe(), { out = out, resume = true })
    assert.same(before, { support.content(out) })
  end)
end)

describe("a checkpoint", function()
  it("names parameters as PyTorch does, and carries its model", function()
    local out = fresh()
    trainer.train(support.recipe(), { out = out })
    local saved = checkpoint.open(out .. "/checkpoint.safetensors")
    assert.same({ 16, 2 }, saved.tensor("trunk.0.weight"):shape())
    assert.same({ 1 }, saved.tensor("heads.height.bias"):shape())
    local model = core.model(saved.info.model):freeze { seed = 9, inputs = saved.info.sources[1].input_shapes }
    checkpoint.restore_model(saved, model)
    for _, p in ipairs(model:parameters()) do
      assert.equal(saved.tensor(p.name):bytes(), p.tensor:bytes())
    end
  end)

  it("is refused where the recipe, the seed or the log is another", function()
    local out = fresh()
    trainer.train(support.recipe(), { out = out, max_steps = 7 })
    local function refused(change, options, text)
      options.out, options.resume = out, true
      assert.error_matches(function() trainer.train(support.recipe(change), options) end, text)
    end
    refused(function(t) t.trunk = mtl.nn.linear(2, 16) end, {}, "model")
    refused(nil, { seed = 8 }, "seed")
    support.write(out .. "/metrics.jsonl", "")
    refused(nil, {}, "metrics.jsonl has 0 bytes")
  end)

  it("that is damaged is refused by name", function()
    local out = fresh()
    trainer.train(support.recipe(), { out = out, max_steps = 3 })
    local file = out .. "/checkpoint.safetensors"
    local text = support.read(file)
    for _, damaged in ipairs { "", text:sub(1, 100), text:sub(1, -9), ("x"):rep(#text) } do
      support.write(file, damaged)
      assert.error_matches(function()
        trainer.train(support.recipe(), { out = out, resume = true })
      end, "checkpoint.safetensors")
    end
    core.safetensors_write(file, { { "a", core.zeros(1) } }, {})
    assert.error_matches(function() checkpoint.open(file) end, "not a checkpoint")
  end)
end)

describe("mtl run", function()
  local program = os.getenv "MTL_PROGRAM" or "build/mtl"
  if not core.stat(program) then
    pending("needs the program: " .. program)
    return
  end

  -- What a shell says of `mtl run`, killed after some seconds.
  local function run(arguments, seconds)
    local command = "timeout -s KILL %.3f %s run %s --quiet >%s/out 2>&1"
    local _, _, status = os.execute(command:format(seconds or 60, program, arguments, base))
    return status
  end

  it("killed at any moment and resumed leads to the same bits", function()
    local whole = fresh()
    assert.equal(0, run("recipes/toy.lua --out " .. whole))
    local tensors, log = support.content(whole)
    local clock = core.clock()
    for try = 1, 4 do
      local out = fresh()
      local seconds = 0.05 + (clock * 1000 * try * 0.618 % 1) * 0.3
      run("recipes/toy.lua --out " .. out, seconds)
      assert.equal(0, run("recipes/toy.lua --resume --out " .. out))
      local tensors2, log2 = support.content(out)
      assert.is_true(tensors == tensors2, ("killed after %.3f s"):format(seconds))
      assert.equal(log, log2)
    end
  end)

  it("ends with a checkpoint and its own status after SIGTERM and ^C", function()
    for signal, status in pairs { TERM = 143, INT = 130 } do
      local out = fresh()
      local _, _, got = os.execute(([[
        %s run recipes/diamonds.lua --out %s >%s/out 2>&1 &
        while kill -0 $! && ! test -s %s/metrics.jsonl; do sleep 0.02; done
        kill -%s $!
        wait $!]]):format(program, out, base, out, signal))
      assert.equal(status, got)
      assert.is_truthy(core.stat(out .. "/checkpoint.safetensors"))
      assert.truthy(support.read(base .. "/out"):find("mtl run --resume " .. out, 1, true))
    end
  end)
end)
