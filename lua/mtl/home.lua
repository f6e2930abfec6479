--- Where the files that ship with mtl lie: below MTL_HOME; else beside the program (build/ of a source tree, or
-- share/mtl of an installed one); else, where a stock Lua runs mtl, beside this file; else where they were installed.
-- Not for recipes: it opens folders to them.
local core = require "mtl.core"
local path = require "mtl.path"

local home = {}

local function candidates()
  local given = os.getenv "MTL_HOME"
  if given and given ~= "" then
    return { given }
  end
  local here = debug.getinfo(1, "S").source
  local list = { here:match "^@(.*)/lua/mtl/home%.lua$" }
  local prefix = here:match "^@(.*)/share/lua/5%.4/mtl/home%.lua$"
  list[#list + 1] = prefix and path.join(prefix, "share/mtl")
  local program = core.program()
  if program then
    local folder = path.split(program)
    list[#list + 1] = path.join(folder, "..")
    list[#list + 1] = path.join(folder, "../share/mtl")
  end
  list[#list + 1] = core.DATA_DIR
  return list
end

-- The first folder of these names that is there, absolute.
local function find(list, ...)
  for _, folder in ipairs(list) do
    for _, name in ipairs { ... } do
      local found = core.realpath(path.join(folder, name))
      if found and core.stat(found).type == "folder" then
        return found
      end
    end
  end
end

--- The folder `datasets`, absolute.
function home.datasets()
  local list = candidates()
  local found = find(list, "datasets")
  if found then
    return found
  end
  error(("no folder 'datasets' in %s; MTL_HOME should name the folder that holds it"):format(
    table.concat(list, ", ")), 0)
end

--- The folder of annotations for editors, absolute: of a source tree, or of an installed mtl; nil where there is none.
function home.annotations()
  return find(candidates(), "docs/luals", "../doc/mtl/luals")
end

--- For descriptors: a function that gives the checked path of a file of datasets/NAME/.
function home.files(name)
  local folder = path.allow(path.join(home.datasets(), name))
  return function(p)
    return path.check(p, "read", folder)
  end
end

return home
