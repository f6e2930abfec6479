--- What mtl keeps of its user: files below $XDG_STATE_HOME/mtl, or ~/.local/state/mtl, which is for its owner alone.
local core = require "mtl.core"
local path = require "mtl.path"

--- The path of such a file; nil where there is no place for one.
return function(name)
  local state, home = os.getenv "XDG_STATE_HOME", os.getenv "HOME"
  local base = state and state:match "^/" and state or home and home:match "^/" and path.join(home, ".local/state")
  if not base or not pcall(core.mkdir, base) then
    return nil
  end
  local folder = path.join(base, "mtl")
  return core.private_folder(folder) and path.join(folder, name) or nil
end
