--- mtl run: trains a recipe, or that of a bundle, into a run folder, or goes on with a run.
local core = require "mtl.core"
local args = require "mtl.cli.args"
local device = require "mtl.device"
local folder = require "mtl.folder"
local mark = require "mtl.mark"
local open = require "mtl.cli.open"
local path = require "mtl.path"
local wall = require "mtl.wall"

local function is_folder(p)
  local stat = core.stat(p)
  return stat and stat.type == "folder"
end

-- Where the run is that is to go on, and the recipe where one was named.
local function find(options, given)
  local run = type(options.resume) == "string" and options.resume
  if run and given then
    error("run: --resume=RUN goes on with the run's own recipe; leave '" .. given .. "' out", 0)
  elseif not run and given and (is_folder(given) or not options.out and not core.stat(given)) then
    run, given = given, nil
  end
  if run and options.out then
    error("run: a run goes on in its own folder; leave --out out", 0)
  elseif not run and not options.out then
    error("run: which run should go on? mtl run --resume RUN, or mtl run RECIPE --out RUN --resume", 0)
  end
  return run or options.out, given
end

-- What run.json says; nil where there is no run yet.
local function read_run(run, given)
  if core.stat(path.join(run, "run.json")) or not given or is_folder(run) and #core.listdir(run) > 0
    and not core.stat(path.join(run, "recipe")) then
    return folder.info(run)
  end
end

local function check_settings(options, info)
  local asked, kept = core.json_encode(core.array(options.set or {})), core.json_encode(core.array(info.set or {}))
  if options.set and asked ~= kept then
    error("run: a run goes on with its own settings; leave --set out", 0)
  elseif options.seed and options.seed ~= info.seed then
    error(("run: the run has seed %s; leave --seed out"):format(info.seed), 0)
  end
end

-- Before code of a recipe is read: files may be changed in `writes`, and where events for TensorBoard go.
local function confine(options, writes)
  open.confine(options, { writes, options.tensorboard })
end

-- The recipe of a bundle, unpacked into the run's folder: where it lies. options.undo takes it away again.
local function unpack(b, options)
  local declared = b.manifest.declaration
  local seed = options.seed or math.type(declared.seed) == "integer" and declared.seed or 1
  options.out = options.out or folder.default(b.manifest.name, seed)
  b:check_data(options.data)
  options.folder = b:data_folder()
  options.bundle = options.folder and select(2, path.split(core.realpath(b.path)))
  local to = path.join(options.out, "recipe")
  confine(options, (path.split((options.out:gsub("(.)/+$", "%1"))))) -- it is unpacked beside its place, and renamed
  if core.stat(to) then
    folder.same_recipe(options.out, b:code())
  else
    options.undo = b:unpack(options.out, "recipe")
  end
  return path.join(to, b.manifest.recipe)
end

-- Opens the recipe of a run that is to go on, and completes the options by what the run was started with.
local function resume(options, rest)
  local run, given = find(options, rest[1])
  if options.require_signature and not given then
    error("run: a run is not signed, only bundles are; leave --require-signature out", 0)
  elseif options.init then
    error("run: --init starts a run and --resume goes on with one; they exclude one another", 0)
  end
  local info = read_run(run, given)
  options.out, options.resume = run, true
  local b = given and open.bundle(given, options)
  if not info then
    if b then
      return open.recipe(unpack(b, options), options)
    end
    confine(options, run)
    return open.recipe(given, options)
  end
  check_settings(options, info)
  options.seed, options.set = info.seed, info.set
  options.device = options.device or info.device
  options.data = options.data or mark.fits(run, info) and info.data.dir or nil
  confine(options, run)
  if b then
    folder.same_recipe(run, b:code())
    b:check_data(options.data)
  elseif given then
    local recipe, files = open.recipe(given, options)
    folder.same_recipe(run, files)
    return recipe, files
  end
  local recipe, _, files = require "mtl.run".open(run, { trust = options.trust, data_dir = options.data })
  options.folder = info.recipe.folder
  return recipe, files
end

local function start(options, rest)
  if not rest[1] then
    error("run: RECIPE is missing; usage: mtl run RECIPE [OPTIONS]", 0)
  elseif options.out then
    folder.check(options.out)
  end
  local b = open.bundle(rest[1], options)
  if not b then
    confine(options, options.out or "runs")
    return open.recipe(rest[1], options)
  end
  options.resume = true -- the run's folder is there, with the recipe in it
  return open.recipe(unpack(b, options), options)
end

-- However a run ended, its folder has a report of it. What keeps that from being written is no failure of the run.
local function leave_report(progress, outcome)
  if progress.out then -- there is a folder
    local ok, message = pcall(require "mtl.report".leave, progress.out, outcome and outcome:plain() or nil)
    if not ok then
      progress:warn("report.html was not written: " .. tostring(message))
    end
  end
end

local function train(recipe, files, options)
  local progress = require "mtl.progress".new { quiet = options.quiet, max_steps = options.max_steps,
    device = options.device or recipe.device or device.default() }
  local outcome = require "mtl.report.outcome".new()
  core.follow_parent()
  local ok, result = pcall(require "mtl.trainer".train, recipe, {
    out = options.out, seed = options.seed, device = options.device, threads = options.threads,
    max_steps = options.max_steps, resume = options.resume, data_dir = options.data, files = files,
    folder = options.folder, bundle = options.bundle, set = options.set, progress = progress, init = options.init,
    outcome = outcome, tensorboard = options.tensorboard,
    ready = function(t)
      wall.narrow { t.out, options.tensorboard }
      core.catch_signals()
    end,
  })
  leave_report(progress, ok and outcome)
  progress:close()
  if not ok then
    error(result, 0)
  end
end

return {
  name = "run",
  summary = "train a recipe",
  usage = { "mtl run RECIPE|BUNDLE [OPTIONS]", "mtl run --resume RUN", "mtl run RECIPE --out RUN --resume" },
  arguments = { "RECIPE", least = 0 },
  options = {
    open.options.set, open.options.seed, open.options.device, open.options.threads, open.options.data,
    { name = "out", value = "DIR", read = args.path, help = "the run's folder (default: runs/NAME-DATE-TIME-SEED)" },
    { name = "init", value = "RUN", read = args.path,
      help = "start from the weights of another run (or a safetensors file), by name" },
    { name = "max-steps", value = "N", read = args.size, help = "stop after N steps of the whole training" },
    { name = "resume", value = "RUN", optional = true, read = args.path,
      help = "go on from the run's last checkpoint, or from the beginning where there is none yet" },
    { name = "tensorboard", value = "DIR", read = args.path,
      help = "write scalars for TensorBoard, too, in a folder there that is named after the run's" },
    { name = "quiet", help = "print nothing but errors" },
    open.options.memory, open.options.signature, open.options.trust,
  },
  notes = [[
The run's folder holds the recipe, run.json, metrics.jsonl, checkpoint.safetensors, summary.json and report.html (mtl
help report). ^C saves a checkpoint and stops; a second ^C stops at once.
A recipe may be someone else's: it has no io, os, debug or package, reads files only below its own folder, mtl's data
folder and --data DIR, writes none, and where the kernel can see to it, nothing in the program changes files outside of
the run's folder, opens connections or starts programs. --trust lifts all of that; run.json says which it was.]],
  run = function(options, rest)
    options.data = open.data_folder(options.data)
    if options.tensorboard then
      core.mkdir(options.tensorboard)
    end
    local _ <close> = setmetatable({}, { __close = function()
      if options.undo and not core.stat(path.join(options.out, "run.json")) then
        options.undo() -- an error came before there was a run
      end
      wall.clean()
    end })
    local recipe, files = (options.resume and resume or start)(options, rest)
    train(recipe, files, options)
  end,
}
