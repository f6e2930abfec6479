--- mtl devices
local core = require "mtl.core"
local text = require "mtl.cli.text"

local function size(bytes)
  return ("%.1f GiB"):format(bytes / 2 ^ 30)
end

return {
  name = "devices",
  summary = "what can compute: the names that --device takes",
  usage = { "mtl devices" },
  run = function()
    local list, missing = core.devices()
    local rows = { { "device", "name", "memory", "platform", "version", "driver" },
      { "cpu", core.cpu_model() or "", "", "mtl", core.isa(), (core.blas():match "^%S+ %S+") } }
    for i, d in ipairs(list) do
      rows[#rows + 1] = { "opencl:" .. i, d.name, size(d.memory), d.platform, d.version, d.driver }
    end
    text.say(table.concat(text.table(rows, {}), "\n"))
    if missing then
      text.say(missing)
    end
  end,
}
