--- Recipes and runs as commands open them: confined unless trusted, their memory capped.
local core = require "mtl.core"
local args = require "mtl.cli.args"
local path = require "mtl.path"

local open = {}

--- Options that several commands have.
open.options = {
  trust = { name = "trust", help = "let the recipe do what any Lua program may" },
  data = { name = "data", value = "DIR", read = args.path, help = "folder of data files; the recipe may read it" },
  set = { name = "set", value = "PATH=VALUE", many = true, read = args.assignment,
    help = "change a value of the recipe: stages.2.policy.gamma=1, tasks.left.loss.smoothing=0.1" },
  seed = { name = "seed", value = "N", read = args.count, help = "seed of initialisation, order and dropout" },
  device = { name = "device", value = "DEVICE", read = args.device,
    help = "what computes: cpu, opencl or opencl:N (mtl devices lists them); else $MTL_DEVICE" },
  signature = { name = "require-signature", value = "PUBKEY", read = args.path,
    help = "refuse a bundle that this key has not signed: a file of mtl keygen, or its digits" },
  threads = { name = "threads", value = "N", read = args.threads, help = "threads; the results do not depend on it" },
}

-- Bytes of memory that this machine has.
local function machine_memory()
  local file <close> = io.open "/proc/meminfo"
  local kib = file and file:read("a"):match "MemTotal:%s*(%d+)"
  return kib and math.tointeger(kib) * 1024
end

--- Caps the memory of tensors and of Lua, so that a recipe cannot take all of the machine's.
function open.cap(trust)
  local bytes = not trust and machine_memory()
  if bytes then
    core.memory_limit(bytes // 10 * 7)
    core.lua_memory_limit(bytes // 10 * 2)
  end
end

--- Checks the folder of --data. @return absolute path, or nil where none was given
function open.data_folder(dir)
  if dir then
    local ok, result = pcall(path.check, dir, "folder")
    return ok and result or error("--data: " .. tostring(result), 0)
  end
end

--- Opens a bundle, checked; nil where the file is none. options.require_signature: see open.options.signature
function open.bundle(file, options)
  local bundle = require "mtl.bundle"
  local public = options.require_signature and require "mtl.bundle.key".public(options.require_signature)
  if bundle.is(file) then
    open.cap(options.trust)
    return bundle.open(file, public)
  elseif public then
    error(("'%s' is no bundle, so nobody has signed it"):format(file), 0)
  end
end

--- Loads a recipe. @param options trust, data (absolute folder), folder (one more that it may read), set ({ { path,
-- value }, ... })
-- @return recipe, its files
function open.recipe(file, options)
  open.cap(options.trust)
  local stat = core.stat(file)
  if stat and stat.type == "folder" then
    local a_run = core.stat(path.join(file, "run.json"))
    error(("'%s' is %s; a recipe is a Lua file"):format(file, a_run and "a run" or "a folder"), 0)
  end
  if not stat and core.stat(file .. ".lua") then
    error(("%s: No such file; did you mean '%s.lua'?"):format(file, file), 0)
  end
  if require "mtl.bundle".is(file) then
    error(("'%s' is a bundle: mtl run and mtl check take it as it is; for anything else, mtl unpack it, and use the "
      .. "recipe that is in it"):format(file), 0)
  end
  require "mtl.recipe".overrides = options.set or {}
  local roots = { options.data }
  roots[#roots + 1] = options.folder
  local chunk, box = require "mtl.sandbox".load(file, { trust = options.trust, roots = roots })
  local recipe = chunk()
  if type(recipe) ~= "table" or type(recipe.stages) ~= "table" or not recipe.model_json then
    error(("%s returns %s; a recipe ends with: return mtl.recipe { ... }"):format(file, recipe == nil and "nothing"
      or "a " .. type(recipe) .. " that mtl.recipe did not make"), 0)
  end
  return recipe, box.files
end

return open
