-- Trains a workload for some steps as `mtl run` does, and says how fast:
--   mtl lua bench/train.lua FILE STEPS --out DIR [--threads N] [--device D] [--set PATH=VALUE] [--rows N] [--dump FILE]
--     [--wait yes]
-- Prints "first" after the first step, then a line of JSON: { samples_per_s = { of each tenth of the steps }, batch =,
-- losses = { unweighted sums of the first ten } }. --rows N: the workload makes so many rows. --dump FILE: parameters
-- that it starts from and the data as a safetensors file, for a twin that starts from the same. --wait yes: each step
-- but the first waits for a line of input, and then prints its seconds; all with the given threads (bench/pair).
local core = require "mtl.core"
local trainer = require "mtl.trainer"

local PARTS = 10
local file, steps, options, set = arg[1], tonumber(arg[2]), {}, {}
for i = 3, #arg, 2 do
  local name = arg[i]:match "^%-%-(%a+)$"
  if name == "set" then
    set[#set + 1] = { arg[i + 1]:match "^(.-)=(.*)$" }
  else
    options[name] = arg[i + 1]
  end
end
require "mtl.recipe".overrides = set
local recipe = assert(loadfile(file))(tonumber(options.rows))
recipe.log_every = math.maxinteger

local function dump(path)
  local data = recipe.data:open {}
  local fields, shapes, tensors = data:fields "train", {}, {}
  for i, field in ipairs(fields) do
    tensors[i] = { "data." .. (data.inputs[i] or data.target_names[i - #data.inputs]), field.tensor }
  end
  shapes[1] = table.move(fields[1].tensor:shape(), 2, fields[1].tensor:rank(), 1, {})
  local model = core.model(recipe.model_json)
  model:freeze { seed = 1, inputs = shapes }
  for _, p in ipairs(model:parameters()) do
    tensors[#tensors + 1] = { p.name, p.tensor }
  end
  core.safetensors_write(path, tensors, {})
end

if options.wait == "yes" then -- as many threads in every step
  require "mtl.pace".step = function() end
end
if options.dump then
  dump(options.dump)
end
local warm, part = math.max(steps // PARTS, 2), math.max(steps // PARTS, 1)
local batch, losses, rates, begun, resumed = nil, {}, {}, nil, nil
trainer.train(recipe, {
  out = options.out, threads = tonumber(options.threads), device = options.device, max_steps = warm + part * PARTS,
  progress = {
    start = function(_, event)
      batch = event.batch
    end,
    step = function(_, record)
      if record.step == 1 then
        print "first"
        io.stdout:flush()
      end
      if options.wait == "yes" then
        if resumed then
          print(core.clock() - resumed)
          io.stdout:flush()
        end
        if not io.read "l" then
          os.exit(1)
        end
        resumed = core.clock()
      end
      if record.step <= 10 then
        losses[record.step] = 0
        for _, task in ipairs(recipe.tasks) do
          losses[record.step] = losses[record.step] + record.tasks[task.name].loss
        end
      end
      if record.step >= warm and (record.step - warm) % part == 0 then
        local now = core.clock()
        rates[#rates + 1] = begun and part * batch / (now - begun)
        begun = now
      end
    end,
  },
})
print(core.json_encode { samples_per_s = rates, batch = batch, losses = losses })
