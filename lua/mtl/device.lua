--- Which device computes where nothing says it.
local device = {}

local chosen

--- The device chosen at the prompt, else $MTL_DEVICE, or "cpu".
function device.default()
  local name = chosen or os.getenv "MTL_DEVICE"
  return name and name ~= "" and name or "cpu"
end

--- Chooses the default device of this process; an error where there is none of this name.
function device.choose(name)
  local core = require "mtl.core"
  local _ <close> = core.zeros(1):to(name)
  chosen = name
end

return device
