--- Which device computes where nothing says it.
local device = {}

--- $MTL_DEVICE, or "cpu".
function device.default()
  local name = os.getenv "MTL_DEVICE"
  return name and name ~= "" and name or "cpu"
end

return device
