--- Runs: recipe:run, mtl.load(dir), run:evaluate(split), run:predict(x).
local core = require "mtl.core"
local checkpoint = require "mtl.checkpoint"
local evaluate = require "mtl.evaluate"
local folder = require "mtl.folder"
local keep = require "mtl.keep"
local mark = require "mtl.mark"
local nearest = require "mtl.nearest"
local path = require "mtl.path"
local predictor = require "mtl.predictor"
local sorted = require "mtl.sorted"
local training = require "mtl.training"
local trainer = require "mtl.trainer"
local transfer = require "mtl.transfer"

local run, methods = {}, {}
local meta = { __index = methods, __name = "mtl.run" }

-- By run: out, info, options, saved, predictor, training. Runs are given to recipes, these are not.
local parts = setmetatable({}, { __mode = "k" })

function meta:__tostring()
  return ("run of %s in %s: step %d, epoch %d"):format(self.info.recipe.name, self.out, self.at.step, self.at.epoch)
end

-- The recipe's file in a run folder, which may come from anyone: a name, and no link that leads away.
local function recipe_file(dir, name)
  local file = path.join(path.join(dir, "recipe"), name)
  local absolute, message = core.realpath(file)
  if name:find "/" or absolute and not path.below(absolute, core.realpath(dir)) then
    error(("'%s': run.json names the recipe '%s', which does not lie in the run's folder"):format(dir, name), 0)
  end
  return absolute and file or error(message, 0)
end

-- Folders that the recipe of a run may read besides its own: what was named now, and what the run's user once named.
local function roots_of(dir, info, data_dir)
  local ours = mark.fits(dir, info)
  local list = { data_dir or ours and info.data.dir or nil }
  list[#list + 1] = (ours or info.recipe.folder == path.join(dir, "recipe")) and info.recipe.folder or nil
  return list
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
  local file, roots = recipe_file(dir, info.recipe.file), {}
  if path.confined() then -- a recipe that loads a run opens no folder by that
    path.check(file, "read")
  else
    for _, root in ipairs(roots_of(dir, info, options.data_dir)) do
      roots[#roots + 1] = core.realpath(root) -- folders that are gone are missed when data are read
    end
  end
  local definition = require "mtl.recipe"
  local before = definition.overrides
  definition.overrides, definition.kept = info.set, true
  local ok, recipe = pcall(function()
    local chunk, box = require("mtl.sandbox").load(file, { trust = options.trust, roots = roots })
    local recipe = chunk()
    recipe.files = box.files
    return recipe
  end)
  definition.overrides, definition.kept = before, false
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
  local self = setmetatable({ out = core.realpath(out), info = info, at = seen_of(saved.info.at), model = p.model },
    meta)
  parts[self] = { out = self.out, info = info, options = options, saved = saved, predictor = p, training = t }
  return self
end

local known = { out = true, seed = true, device = true, threads = true, max_steps = true, resume = true,
  data_dir = true, init = true, progress = true }

--- recipe:run { out =, seed =, device =, threads =, max_steps =, resume =, data_dir =, init = } -> run
function run.start(recipe, options)
  local o = {}
  for key, value in pairs(options or {}) do
    if not known[key] then
      error(("recipe:run: unknown option '%s'%s"):format(tostring(key), nearest.hint(key, known)), 2)
    end
    o[key] = value
  end
  o.out = path.check(o.out or folder.default(recipe.name, o.seed or recipe.seed or 1), "write")
  o.data_dir = o.data_dir and path.check(o.data_dir, "folder")
  if o.init then
    local stat = core.stat(o.init)
    o.init = path.check(o.init, stat and stat.type == "file" and "read" or "folder")
    o.init = path.check(transfer.file(o.init), "read")
  end
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
  if keep.is(options) then
    return keep.load(dir, options, ...)
  elseif type(dir) ~= "string" then
    error("mtl.load: it takes the folder of a run, or a file of mtl.save's and a module", 2)
  end
  local stat = core.stat(dir)
  dir = path.check(dir, stat and stat.type == "file" and "read" or "folder")
  if stat.type == "file" then
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

--- What predicts, of a run.
function run.predictor(r)
  return parts[r].predictor
end

--- The training with its data, which evaluation needs: made when it is first asked for.
function run.training(r)
  local own = parts[r]
  if not own.training then
    local o, info = own.options, own.info
    local recipe = o.recipe or run.open(own.out, { trust = o.trust ~= false and not path.confined(),
      data_dir = o.data_dir })
    own.training = training.new(recipe, { seed = info.seed, device = o.device or info.device,
      data_dir = o.data_dir or info.data.dir, folder = info.recipe.folder }, own.saved)
    own.training.out = own.out
  end
  return own.training
end

--- KPIs and metrics of a split ("test" unless told) for every task that was trained.
function methods:evaluate(split)
  return run.evaluate(self, split)
end

--- The same, watched (see evaluate.run).
function run.evaluate(self, split, watch)
  local t, index = run.training(self), {}
  for i, task in ipairs(t.recipe.tasks) do
    if self.at.seen[task.name] then
      index[#index + 1] = i
    end
  end
  split = split or "test"
  if not t.rows[split] then
    error(("evaluate: the data have no split '%s'; they have %s"):format(split, table.concat(sorted(t.rows), ", ")), 0)
  end
  return evaluate.run(t, split, index, nil, watch)
end

--- Outputs of every task that was trained, for a batch of inputs: { left = tensor, ... }. Classes: probabilities along
-- dimension 2. Numbers: in the target's own units.
-- @param x a tensor as the model sees it, or uint8 pixels, which are read as in training; several inputs by name
function methods:predict(x)
  return parts[self].predictor:predict(x)
end

return run
