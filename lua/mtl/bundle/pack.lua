--- Makes a bundle: the recipe with the Lua files that it requires, and a manifest that says what belongs to it. The
-- same files give the same bytes: nothing of the machine, the time or the folders above goes into it.
local bundle = require "mtl.bundle"
local checkpoint = require "mtl.checkpoint"
local core = require "mtl.core"
local folder = require "mtl.folder"
local home = require "mtl.home"
local log = require "mtl.compare.log"
local open = require "mtl.cli.open"
local path = require "mtl.path"
local results = require "mtl.bundle.results"
local transfer = require "mtl.transfer"

local pack = {}

-- Opens the recipe, and its data as a training would. @return recipe, its Lua files, { [absolute] = path asked for }
local function open_watched(file, options)
  local read = {}
  path.watch(function(absolute, as)
    read[absolute] = read[absolute] or as -- a reader may check again what it has resolved
  end)
  local recipe, files = open.recipe(file, options)
  require "mtl.training".new(recipe, { data_dir = options.data })
  path.watch(nil)
  for _, f in ipairs(files) do
    read[f.path] = nil
  end
  return recipe, files, read
end

-- Where a file lies: { root = "recipe" | "mtl" | "data", path = below it }.
local function locate(absolute, as, recipe, options)
  local has_shipped, shipped = pcall(home.datasets)
  local roots = { { "data", options.data }, { "mtl", has_shipped and shipped or nil },
    { "recipe", core.realpath((path.split(recipe.file))) } }
  for _, root in ipairs(roots) do
    if root[2] and path.below(absolute, root[2]) then
      local asked = core.realpath((path.split(as)))
      if root[1] ~= "mtl" and path.join(asked, (select(2, path.split(as)))) ~= absolute then
        error(("pack: '%s' is a link, and a bundle can only speak of files: put the file itself there"):format(as), 0)
      end
      return { root = root[1], path = absolute:sub(#root[2] + 2), file = absolute }
    end
  end
  error(("pack: the recipe reads '%s', which others will not have there: put it below the recipe's folder, or name its "
    .. "folder with --data"):format(absolute), 0)
end

local function data_of(read, recipe, options)
  local list = core.array {}
  for absolute, as in pairs(read) do
    list[#list + 1] = locate(absolute, as, recipe, options)
  end
  table.sort(list, function(a, b)
    return a.root < b.root or a.root == b.root and a.path < b.path
  end)
  for _, d in ipairs(list) do
    d.sha256, d.bytes = core.sha256_file(d.file)
  end
  return list
end

-- A folder as it was named, without links: resolved before the recipe runs, which confines what may be looked at.
local function folder_at(option, dir)
  local absolute, message = core.realpath(dir)
  if not absolute or core.stat(absolute).type ~= "folder" then
    error(("pack: --%s %s"):format(option, message or dir .. ": it is no folder"), 0)
  end
  return absolute
end

-- The runs of a folder of --results. One that is named must be a result; of a folder, those that this recipe made.
local function runs_in(dir, files)
  if core.stat(path.join(dir, "run.json")) then
    local why, run = results.other(dir, files), nil
    if not why then
      run, why = results.of(dir)
    end
    return { run or error(("pack: --results %s: %s"):format(dir, why), 0) }
  end
  local list = {}
  for _, below in ipairs { dir, path.join(dir, "runs") } do
    for _, name in ipairs(core.stat(below) and core.listdir(below) or {}) do
      local at = path.join(below, name)
      if core.stat(path.join(at, "run.json")) and not results.other(at, files) then
        local run = results.of(at)
        if not run and log.read({}, path.join(at, "metrics.jsonl")).diverged then
          error(("pack: --results %s: the run %s diverged, and means that leave it out would mislead; name the runs "
            .. "one by one to leave it out all the same"):format(dir, name), 0)
        end
        list[#list + 1] = run
      end
    end
  end
  return #list > 0 and list
    or error(("pack: --results %s: no finished run of this recipe as it stands lies in it"):format(dir), 0)
end

local function results_of(dirs, files)
  local list, by_seed = {}, {}
  for _, dir in ipairs(dirs) do
    for _, run in ipairs(runs_in(dir, files)) do
      local same = by_seed[run.seed]
      if not same or core.json_encode(same) ~= core.json_encode(run) then -- a run that was made twice counts once
        list[#list + 1], by_seed[run.seed] = run, run
      end
    end
  end
  return results.claim(list)
end

-- What of a run goes into a bundle: nothing of the machine that it was made on.
local function weights_of(dir, files)
  local info = folder.info(dir)
  for _, file in ipairs(files) do
    if log.text(path.join(path.join(dir, "recipe"), file.name)) ~= file.text then
      error(("pack: --weights %s: it was trained with another %s"):format(dir, file.name), 0)
    end
  end
  local file = transfer.file(dir)
  checkpoint.open(file) -- says what is wrong with it
  local run = { format = info.format, recipe = { name = info.recipe.name, file = info.recipe.file, folder = "recipe" },
    seed = info.seed, device = info.device, set = core.array(info.set), max_steps = info.max_steps,
    version = info.version, data = { seed = info.data.seed, batch = info.data.batch, rows = info.data.rows } }
  local list = { { name = "run.json", text = core.json_encode(run, true) .. "\n" } }
  local s = log.decode(log.text(path.join(dir, "summary.json")))
  if s then
    local summary = { recipe = s.recipe, seed = s.seed, steps = s.steps, epochs = s.epochs, stages = s.stages,
      test = s.test }
    list[2] = { name = "summary.json", text = core.json_encode(summary, true) .. "\n" }
  end
  list[#list + 1] = { name = select(2, path.split(file)), file = file }
  return list
end

--- Packs a recipe. @param options out; trust, data (absolute folder); with_data; results (list of folders), weights (a
-- run's folder); name, version, author, license; secret (key)
-- @return the bundle, opened and checked
function pack.make(file, options)
  local weights, runs = options.weights and folder_at("weights", options.weights), {}
  for i, dir in ipairs(options.results or {}) do
    runs[i] = folder_at("results", dir)
  end
  local recipe, code, read = open_watched(file, options)
  local data, list = data_of(read, recipe, options), {}
  for i, f in ipairs(code) do
    list[i] = { name = "recipe/" .. f.name, text = f.text }
  end
  for _, d in ipairs(options.with_data and data or {}) do
    list[#list + 1] = d.root == "recipe" and { name = "recipe/" .. d.path, file = d.file } or nil
  end
  for _, f in ipairs(weights and weights_of(weights, code) or {}) do
    list[#list + 1] = f
  end
  local manifest = { format = bundle.FORMAT, name = options.name or recipe.name, version = options.version,
    author = options.author, license = options.license, mtl = core.VERSION, recipe = code[1].name,
    declaration = require "mtl.bundle.declaration"(recipe), files = core.array {}, data = core.array {},
    results = results_of(runs, code) }
  for i, f in ipairs(list) do
    local sha256, bytes = core.sha256(f.text or ""), f.text and #f.text
    if f.file then
      sha256, bytes = core.sha256_file(f.file)
    end
    manifest.files[i] = { name = f.name, bytes = bytes, sha256 = sha256 }
  end
  for i, d in ipairs(data) do
    manifest.data[i] = { root = d.root, path = d.path, bytes = d.bytes, sha256 = d.sha256 }
  end
  local text = core.json_encode(manifest, true) .. "\n"
  if #text > bundle.MANIFEST_MOST then
    error(("pack: its manifest would take %d bytes, and %d is the most: %d data files are too many"):format(#text,
      bundle.MANIFEST_MOST, #data), 0)
  end
  if options.secret then
    table.insert(list, 1, { name = bundle.SIGNATURE, text = bundle.signature(options.secret, text) })
  end
  table.insert(list, 1, { name = bundle.MANIFEST, text = text })
  core.bundle_write(options.out, list)
  return bundle.open(options.out) -- what was written is what others will read
end

return pack
