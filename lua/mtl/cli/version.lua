--- mtl version
local core = require "mtl.core"
local text = require "mtl.cli.text"

return {
  name = "version",
  summary = "version, libraries, and the machine as mtl sees it",
  usage = { "mtl version" },
  run = function()
    text.say(table.concat(text.table({
      { "mtl", core.VERSION },
      { "Lua", (_VERSION:match "%d+%.%d+") },
      { "OpenBLAS", (core.blas():gsub("^OpenBLAS%s*", "")) },
      { "instructions", core.isa() },
      { "threads", ("%d of %d cores"):format(core.threads(), core.cores()) },
      { "devices", "cpu" .. (core.cpu_model() and (" (%s)"):format(core.cpu_model()) or "")
        .. "; mtl devices lists those of OpenCL" },
    }, {}), "\n"))
  end,
}
