--- Runs: recipe:run, mtl.load(dir), run:evaluate(split), run:predict(x).
local core = require "mtl.core"
local checkpoint = require "mtl.checkpoint"
local evaluate = require "mtl.evaluate"
local folder = require "mtl.folder"
local path = require "mtl.path"
local training = require "mtl.training"
local trainer = require "mtl.trainer"
local units = require "mtl.units"

local run = {}
run.__index = run
run.__name = "mtl.run"

function run:__tostring()
  return ("run of %s in %s: step %d, epoch %d"):format(self.info.recipe.name, self.out, self.at.step, self.at.epoch)
end

--- The recipe of a run folder, loaded as it was for the run (its overrides, data folders).
-- @param options trust: without it, the recipe is confined as the program's recipes are; data_dir: for --data
-- @return recipe, what run.json says, files of the recipe
function run.open(dir, options)
  options = options or {}
  local info = folder.info(dir)
  if not info.recipe.file then
    error(("'%s' keeps no recipe file: its recipe was made in a program; load the run from there"):format(dir), 0)
  end
  local roots = {}
  for _, root in ipairs { info.recipe.folder, options.data_dir or info.data.dir } do
    roots[#roots + 1] = core.realpath(root) -- folders that are gone are missed when data are read
  end
  local definition = require "mtl.recipe"
  local before = definition.overrides
  definition.overrides = info.set
  local ok, recipe = pcall(function()
    local chunk, box = require("mtl.sandbox").load(path.join(path.join(dir, "recipe"), info.recipe.file),
      { trust = options.trust, roots = roots })
    local recipe = chunk()
    recipe.files = box.files
    return recipe
  end)
  definition.overrides = before
  if not ok then
    error(recipe, 0)
  end
  return recipe, info, recipe.files
end

-- A run object on a training that is at hand.
local function wrap(t, info)
  return setmetatable({ out = t.out, info = info, at = t.at, training = t, model = t.model }, run)
end

--- recipe:run { out =, seed =, device =, threads =, max_steps =, resume =, data_dir = } -> run
function run.start(recipe, options)
  local o = {}
  for k, v in pairs(options or {}) do
    o[k] = v
  end
  o.out = o.out and path.check(o.out, "write")
  local summary, t = trainer.train(recipe, o)
  local r = wrap(t, folder.info(t.out))
  r.summary = summary
  return r
end

--- mtl.load(dir) -> run. The recipe in the folder is a program: it is run with the rights of the caller (a script:
-- all).
-- @param options recipe: an object to use instead; trust (default true); data_dir; best: parameters of best.safetensors
function run.load(dir, options)
  options = options or {}
  path.check(path.join(dir, "run.json"), "read")
  local recipe, info = options.recipe, folder.info(dir)
  if not recipe then
    recipe = run.open(dir, { trust = options.trust ~= false, data_dir = options.data_dir })
  end
  local best = path.join(dir, "best.safetensors")
  local file = recipe.select == "valid" and core.stat(best) and best or path.join(dir, "checkpoint.safetensors")
  if not core.stat(file) then
    error(("'%s' has no checkpoint yet"):format(dir), 0)
  end
  local t = training.new(recipe, { seed = info.seed, device = options.device or info.device,
    data_dir = options.data_dir or info.data.dir, folder = info.recipe.folder }, checkpoint.open(file))
  t.out = core.realpath(dir)
  return wrap(t, info)
end

--- KPIs and metrics of a split ("test" unless told) for every task that was trained.
function run:evaluate(split)
  local t, index = self.training, {}
  for i, task in ipairs(t.recipe.tasks) do
    if self.at.seen[task.name] then
      index[#index + 1] = i
    end
  end
  split = split or "test"
  if not t.set:fields(split) then
    local names = {}
    for name in pairs(t.set.rows) do
      names[#names + 1] = name
    end
    table.sort(names)
    error(("evaluate: the data have no split '%s'; they have %s"):format(split, table.concat(names, ", ")), 0)
  end
  return evaluate.run(t, index, core.loader(t.set:fields(split), t.set.batch))
end

--- Outputs of every task for a batch of inputs: { left = tensor, ... }. Classes: probabilities. Numbers: in the
-- target's own units. x: a tensor as the model sees it, or uint8 pixels, which are normalised as in training; several
-- inputs by name.
function run:predict(x)
  local t, out = self.training, {}
  local inputs = core.type(x) == "mtl.tensor" and { x } or units.pick(x, t.model:inputs())
  local state = t.set.state
  core.no_grad(function()
    for i, input in ipairs(inputs) do
      if input:dtype() == "uint8" then
        inputs[i] = input:cast "float32" * (state.scale or 1 / 255) + (state.shift or 0)
      end
    end
    local outputs = t.model:forward(inputs, -1, false)
    for i, task in ipairs(t.recipe.tasks) do
      local description = t.set.targets[task.target]
      if description.kind == "class" then
        out[task.name] = outputs[i]:shape(2) == 1 and outputs[i]:sigmoid() or outputs[i]:softmax(2)
      else
        out[task.name] = units.own(description, outputs[i])
      end
    end
  end)
  return out
end

return run
