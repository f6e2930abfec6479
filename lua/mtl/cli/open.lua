--- Recipes and runs as commands open them: confined unless trusted, their memory capped.
local core = require "mtl.core"
local args = require "mtl.cli.args"
local device = require "mtl.device"
local path = require "mtl.path"
local wall = require "mtl.wall"

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
  memory = { name = "memory", value = "SIZE", read = args.bytes,
    help = "what tensors and Lua may take together, as 8G (default: nine tenths of the machine's; 0: no limit)" },
  signature = { name = "require-signature", value = "PUBKEY", read = args.path,
    help = "refuse a bundle that this key has not signed: a file of mtl keygen, or its digits" },
  threads = { name = "threads", value = "N", read = args.threads, help = "threads; the results do not depend on it" },
}

-- Bytes of memory that this process may have: the machine's, or its container's where that is less.
local function machine_memory()
  local least
  for file, pattern in pairs { ["/proc/meminfo"] = "MemTotal:%s*(%d+) kB", ["/sys/fs/cgroup/memory.max"] = "^(%d+)",
    ["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "^(%d+)" } do
    local f <close> = io.open(file)
    local n = f and math.tointeger((f:read "a" or ""):match(pattern))
    n = n and (file:find "meminfo" and n * 1024 or n)
    least = n and n > 0 and math.min(n, least or n) or least
  end
  return least
end

--- Caps the memory of tensors and Lua together: at --memory, else at nine tenths of what there is, so that a recipe
-- cannot take all of it. @param options trust: no cap but --memory
function open.cap(options)
  local bytes = options.memory or not options.trust and machine_memory()
  if bytes then
    core.memory_limit(options.memory or bytes // 10 * 9)
  end
end

--- Before anything of a recipe is read: caps memory and, unless it is trusted, puts up the wall.
-- @param options trust, memory, device
-- @param folders where files may be changed; exec: whether programs may be started
function open.confine(options, folders, exec)
  core.catch_signals(false) -- nothing to save yet
  open.cap(options)
  require "mtl.mark".ready()
  if not options.trust then
    package.path, package.cpath = "", "" -- all of mtl is within the program
    core.refuse_links()
    wall.up { folders = folders, exec = exec, device = options.device or device.default() }
  end
end

--- Checks the folder of --data. @return absolute path, or nil where none was given
function open.data_folder(dir)
  if dir then
    local ok, result = pcall(path.check, dir, "folder")
    return ok and result or error("--data: " .. tostring(result), 0)
  end
end

--- The wall has a door for OpenCL's drivers, which start a compiler, only where the call asks for OpenCL.
function open.check_device(recipe, options)
  local standing = wall.standing()
  if not standing.trust and not options.device and not standing.opencl and tostring(recipe.device):find "^opencl" then
    error(("recipe: device is '%s', which it may not choose itself; run with --device %s"):format(recipe.device,
      recipe.device), 0)
  end
end

--- Opens a bundle, checked; nil where the file is none. options.require_signature: see open.options.signature
function open.bundle(file, options)
  local bundle = require "mtl.bundle"
  local public = options.require_signature and require "mtl.bundle.key".public(options.require_signature)
  if bundle.is(file) then
    open.cap(options)
    return bundle.open(file, public)
  elseif public then
    error(("'%s' is no bundle, so nobody has signed it"):format(file), 0)
  end
end

--- Loads a recipe, after open.confine (the prompt's: after open.cap). @param options trust, data (absolute folder),
-- folder (one more that it may read), set ({ { path, value }, ... })
-- @return recipe, its files
function open.recipe(file, options)
  local stat = core.stat(file)
  if stat and stat.type == "folder" then
    local a_run = core.stat(path.join(file, "run.json"))
    error(("'%s' is %s; a recipe is a Lua file"):format(file, a_run and "a run" or "a folder"), 0)
  end
  if not stat and core.stat(file .. ".lua") then
    error(("%s: No such file; did you mean '%s.lua'?"):format(file, file), 0)
  end
  if file:lower():find "%.[ct]sv$" or file:lower():find "%.[ct]sv%.gz$" then
    error(("'%s' is a table; a recipe is a Lua file, and mtl new NAME --data %s writes one for the table"):format(file,
      file), 0)
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
  open.check_device(recipe, options)
  return recipe, box.files
end

return open
