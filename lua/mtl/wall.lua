--- The second wall around a recipe, the kernel's: this process and those that it starts may change files only below a
-- few folders, open no connections and, where nothing needs them, start no programs. It is put up before a recipe's
-- code is read, and what stands of it goes into run.json.
local core = require "mtl.core"
local path = require "mtl.path"

local wall = {}

local standing = { trust = true } -- what run.json says
local made = {}                   -- folders made for it, the deepest last
local caches = {}

-- Where drivers of OpenCL keep what they compiled, and the nodes that they open.
local function driver_paths()
  local home = os.getenv "HOME" or "/nonexistent"
  local cache = os.getenv "XDG_CACHE_HOME" or home .. "/.cache"
  local folders = { cache .. "/mtl", os.getenv "POCL_CACHE_DIR" or cache .. "/pocl",
    os.getenv "CUDA_CACHE_PATH" or home .. "/.nv" }
  for _, folder in ipairs(folders) do
    pcall(core.mkdir, folder)
  end
  for _, p in ipairs { os.getenv "TMPDIR" or "/tmp", "/dev/shm", "/dev/dri", "/dev/kfd" } do
    folders[#folders + 1] = p
  end
  for _, name in ipairs(core.listdir "/dev") do
    folders[#folders + 1] = name:find "^nvidia" and "/dev/" .. name or nil
  end
  return folders
end

-- Makes a folder. @return the nearest one that was there
local function make(folder)
  local missing = {}
  local p = folder:gsub("(.)/+$", "%1")
  while not core.stat(p) do
    table.insert(missing, 1, p)
    p = path.split(p)
  end
  core.mkdir(folder)
  table.move(missing, 1, #missing, #made + 1, made)
  return p
end

local function list(folders)
  local all = { "/dev/null" }
  table.move(folders, 1, #folders, #all + 1, all)
  return table.move(caches, 1, #caches, #all + 1, all)
end

--- Puts it up. There is no way back within a process.
-- @param options folders: where files may be changed, made if they are missing; device: what computes; exec: programs
-- may be started
function wall.up(options)
  local above = {}
  for _, folder in ipairs(options.folders or {}) do
    above[#above + 1] = make(folder)
  end
  local opencl = (options.device or ""):find "^opencl"
  caches = opencl and driver_paths() or {}
  local exec = options.exec or opencl and true or false
  local no_files, no_calls = core.wall(list(options.folders or {}), above, exec)
  standing = { trust = false, files = no_files or "Landlock", calls = no_calls or "seccomp", programs = exec,
    opencl = opencl and true or false }
end

--- From now on only files below these folders may be changed, and a recipe has no others.
function wall.narrow(folders)
  if not standing.trust and standing.files == "Landlock" then
    core.wall(list(folders), {})
  end
end

--- Removes the folders that were made for it and are empty.
function wall.clean()
  for i = #made, 1, -1 do
    if not pcall(core.remove, made[i]) then
      break
    end
  end
end

--- What stands: { trust = true }, or trust = false, files ("Landlock", or why not), calls ("seccomp", or why not),
-- programs (whether they may be started), opencl.
function wall.standing()
  return standing
end

return wall
