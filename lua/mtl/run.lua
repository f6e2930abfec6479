--- Runs: recipe:run, mtl.load(dir), run:evaluate(split), run:predict(x).
local core = require "mtl.core"
local checkpoint = require "mtl.checkpoint"
local evaluate = require "mtl.evaluate"
local folder = require "mtl.folder"
local keep = require "mtl.keep"
local path = require "mtl.path"
local predictor = require "mtl.predictor"
local training = require "mtl.training"
local trainer = require "mtl.trainer"

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

-- Without the nulls that JSON leaves in a checkpoint.
local function seen_of(at)
  local seen = {}
  for name, value in pairs(at.seen) do
    seen[name] = value == true or nil
  end
  at.seen = seen
  return at
end

-- A run object on a folder with a checkpoint. @param t its training, where it is at hand
local function wrap(out, info, options, t)
  local best = path.join(out, "best.safetensors")
  local file = core.stat(best) and best or path.join(out, "checkpoint.safetensors")
  if not core.stat(file) then
    error(("'%s' has no checkpoint yet"):format(out), 0)
  end
  local saved = checkpoint.open(file)
  local p = predictor.new(saved, t and t.model, options.device or info.device)
  return setmetatable({ out = core.realpath(out), info = info, at = seen_of(saved.info.at), model = p.model,
    predictor = p, training = t, options = options, saved = saved }, run)
end

--- recipe:run { out =, seed =, device =, threads =, max_steps =, resume =, data_dir =, init = } -> run
function run.start(recipe, options)
  local o = {}
  for k, v in pairs(options or {}) do
    o[k] = v
  end
  o.out = o.out and path.check(o.out, "write")
  local summary, t = trainer.train(recipe, o)
  local r = wrap(t.out, folder.info(t.out), {}, t)
  r.summary = summary
  return r
end

--- mtl.load(dir) -> run: its model, as the checkpoint has it (the best epoch's where the recipe selects it). Neither
-- the recipe nor the data are touched until `evaluate` is called.
-- @param options recipe: an object to evaluate with, in place of the folder's; trust (default true, but never for a
-- recipe that is confined itself): the folder's recipe may do what any program may; data_dir; device
function run.load(dir, options, ...)
  local stat = type(dir) == "string" and core.stat(dir)
  if keep.is(options) then
    return keep.load(dir, options, ...)
  elseif stat and stat.type == "file" then
    error(("mtl.load: '%s' is a file: mtl.load(path, net) loads one of mtl.save's into a module, mtl.load(dir) a run")
      :format(dir), 0)
  end
  for _, name in ipairs { "run.json", "best.safetensors", "checkpoint.safetensors" } do
    if name == "run.json" or core.stat(path.join(dir, name)) then
      path.check(path.join(dir, name), "read")
    end
  end
  return wrap(dir, folder.info(dir), options or {})
end

-- The training with its data, which evaluation needs: made when it is first asked for.
local function open_training(self)
  if not self.training then
    local o, info = self.options, self.info
    local recipe = o.recipe or run.open(self.out, { trust = o.trust ~= false and not path.confined(),
      data_dir = o.data_dir })
    self.training = training.new(recipe, { seed = info.seed, device = o.device or info.device,
      data_dir = o.data_dir or info.data.dir, folder = info.recipe.folder }, self.saved)
    self.training.out = self.out
  end
  return self.training
end

--- KPIs and metrics of a split ("test" unless told) for every task that was trained.
function run:evaluate(split)
  local t, index = open_training(self), {}
  for i, task in ipairs(t.recipe.tasks) do
    if self.at.seen[task.name] then
      index[#index + 1] = i
    end
  end
  split = split or "test"
  if not t.rows[split] then
    local names = {}
    for name in pairs(t.rows) do
      names[#names + 1] = name
    end
    table.sort(names)
    error(("evaluate: the data have no split '%s'; they have %s"):format(split, table.concat(names, ", ")), 0)
  end
  return evaluate.run(t, split, index)
end

--- Outputs of every task that was trained, for a batch of inputs: { left = tensor, ... }. Classes: probabilities along
-- dimension 2. Numbers: in the target's own units.
-- @param x a tensor as the model sees it, or uint8 pixels, which are scaled as in training; several inputs by name
function run:predict(x)
  return self.predictor:predict(x)
end

return run
