-- Writes OpenCL sources as one C file: lua5.4 scripts/embed_kernels.lua OUT.c CORE FILE.cl ...
-- `#include "op/unary.def"` is replaced by the text of that file below CORE. See core/opencl/opencl.h.
local out_path, core = arg[1], arg[2]
local escapes = { ["\\"] = "\\\\", ['"'] = '\\"', ["\t"] = "\\t", ["?"] = "\\?" }

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return (text:gsub('#include "([^"\n]+)"[^\n]*\n', function(name) return read(core .. "/" .. name) end))
end

local lines = { "/* Made by scripts/embed_kernels.lua. */", '#include "opencl/opencl.h"', "",
  "const mtl_cl_source mtl_cl_sources[] = {" }
for i = 3, #arg do
  lines[#lines + 1] = ('{"%s",'):format(arg[i]:match("([^/]+)%.cl$"))
  for line in read(arg[i]):gmatch("([^\n]*)\n") do
    lines[#lines + 1] = '"' .. line:gsub('[\\"\t?]', escapes) .. '\\n"'
  end
  lines[#lines + 1] = "},"
end
lines[#lines + 1] = "{0, 0}};\n"

local file = assert(io.open(out_path, "wb"))
assert(file:write(table.concat(lines, "\n")))
assert(file:close())
