-- Devices that run out of memory or are lost in the middle of a training, and runs that change their device.
local core = require "mtl.core"
local program = dofile "spec/support/program.lua"

local here = #core.devices() > 0
local folder

local function run(arguments, before)
  return program.run(folder, arguments, before)
end

-- The losses of the steps of a run, each of which stands there once.
local function losses(name)
  local found = {}
  for line in io.lines(folder .. "/" .. name .. "/metrics.jsonl") do
    local record = core.json_decode(line)
    if record.kind == "step" then
      assert.is_nil(found[record.step])
      found[record.step] = record.loss
    end
  end
  return found
end

local function agree(name)
  local want, got = losses "cpu", losses(name)
  for step, loss in pairs(want) do
    assert.near(loss, got[step], 1e-3 * math.abs(loss), ("step %d"):format(step))
  end
end

-- A run that fails on the device after the first epoch, and goes on on the CPU to the end that the CPU's own has.
local function fails(name, before, words)
  local result = run({ "run", "recipe.lua", "--out", name, "--device", "opencl", "--quiet" }, before)
  assert.equal(2, result.status, result.err)
  for _, word in ipairs(words) do
    assert.truthy(result.err:find(word), result.err)
  end
  assert.equal(1, select(2, result.err:gsub("\n", "")))
  result = run { "run", "--resume", name, "--device", "cpu", "--quiet" }
  assert.equal(0, result.status, result.err)
  agree(name)
end

describe("a device", function()
  if not here then
    return it("of OpenCL is missing", function() pending "no OpenCL device" end)
  end

  setup(function()
    folder = program.folder()
    -- the second task needs memory that the first does not
    program.write(folder .. "/recipe.lua", program.recipe {
      { "nn.linear(8, 1)", "nn.sequential { nn.linear(8, 12000), nn.tanh(), nn.linear(12000, 1) }" },
      { "lr = 0.1", "lr = 1e-4" }, { "name = \"spec\",", "name = \"spec\", log_every = 1," },
    })
    assert.equal(0, run({ "run", "recipe.lua", "--out", "cpu", "--quiet" }).status)
  end)
  teardown(function() program.remove(folder) end)

  it("that runs out of memory: status 2, the checkpoint intact", function()
    fails("small", "export MTL_OPENCL_MEMORY=4;", { "out of memory on opencl:1 %(.*MiB, of which MTL_OPENCL_MEMORY "
      .. "allows 4 MiB%): a tensor of %d+%.%d MiB, with %d+%.%d MiB in use" })
    assert.truthy(program.read(folder .. "/small/metrics.jsonl"):find('"kind":"valid"', 1, true))
  end)

  it("whose memory is limited by no number", function()
    local result = run({ "run", "recipe.lua", "--device", "opencl" }, "export MTL_OPENCL_MEMORY=much;")
    assert.equal(1, result.status)
    assert.truthy(result.err:find("MTL_OPENCL_MEMORY is 'much', which should be MiB", 1, true), result.err)
  end)

  local library = os.getenv "MTL_LOST"
  for error, words in pairs { [-2] = "the device is not available", [-5] = "the device is out of resources" } do
    it("that is lost (" .. error .. "): status 2, the checkpoint intact", function()
      if not library then
        return pending "no OpenCL library to build spec/lost.c with"
      end
      local before = "export MTL_OPENCL_LIBRARY=%s MTL_LOST_AFTER=900 MTL_LOST_ERROR=%d;"
      fails("lost" .. error, before:format(library, error),
        { "opencl:1 %(.*MiB%): [%w_]+: " .. words .. "; %d+%.%d MiB are in use by tensors" })
      assert.truthy(program.read(folder .. "/lost" .. error .. "/metrics.jsonl"):find('"kind":"valid"', 1, true))
    end)
  end

  it("that another one goes on for", function()
    assert.equal(0, run({ "run", "recipe.lua", "--out", "both", "--max-steps", "13", "--quiet" }).status)
    local result = run { "run", "--resume", "both", "--device", "opencl", "--quiet" }
    assert.equal(0, result.status, result.err)
    agree "both"
  end)
end)
