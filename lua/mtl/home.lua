--- Where the files that ship with mtl lie: below MTL_HOME; else beside the program (build/ of a source tree, or
-- share/mtl of an installed one); else, where a stock Lua runs mtl, above this file. Not for recipes: it opens folders
-- to them.
local core = require "mtl.core"
local path = require "mtl.path"

local home = {}

local function candidates()
  local given = os.getenv "MTL_HOME"
  if given and given ~= "" then
    return { given }
  end
  local list = { debug.getinfo(1, "S").source:match "^@(.*)/lua/mtl/home%.lua$" }
  local program = core.realpath "/proc/self/exe"
  if program then
    local folder = path.split(program)
    list[#list + 1] = path.join(folder, "..")
    list[#list + 1] = path.join(folder, "../share/mtl")
  end
  return list
end

--- The folder `datasets`, absolute.
function home.datasets()
  local list = candidates()
  for _, folder in ipairs(list) do
    local found = core.realpath(path.join(folder, "datasets"))
    if found and core.stat(found).type == "folder" then
      return found
    end
  end
  error(("no folder 'datasets' in %s; MTL_HOME should name the folder that holds it"):format(
    table.concat(list, ", ")), 0)
end

--- For descriptors: a function that gives the checked path of a file of datasets/NAME/.
function home.files(name)
  local folder = path.allow(path.join(home.datasets(), name))
  return function(p)
    return path.check(p, "read", folder)
  end
end

return home
