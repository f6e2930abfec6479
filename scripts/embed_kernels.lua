-- Writes OpenCL sources as one C file: lua5.4 scripts/embed_kernels.lua OUT.c CORE FILE.cl ...
-- `#include "op/NAME.def"` makes a source for each entry of that list below CORE, FILE.ENTRY, with this entry alone;
-- any other #include is replaced by the text of the file. See core/opencl/opencl.h.
local out_path, core = arg[1], arg[2]
local escapes = { ["\\"] = "\\\\", ['"'] = '\\"', ["\t"] = "\\t", ["?"] = "\\?" }
local include = '#include "([^"\n]+)"[^\n]*\n'

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local lines = { "/* Made by scripts/embed_kernels.lua. */", '#include "opencl/opencl.h"', "",
  "const mtl_cl_source mtl_cl_sources[] = {" }

local function add(name, text)
  lines[#lines + 1] = ('{"%s",'):format(name)
  for line in text:gmatch("([^\n]*)\n") do
    lines[#lines + 1] = '"' .. line:gsub('[\\"\t?]', escapes) .. '\\n"'
  end
  lines[#lines + 1] = "},"
end

for i = 3, #arg do
  local name, text = arg[i]:match("([^/]+)%.cl$"), read(arg[i])
  local list = text:match('#include "(op/[^"\n]+%.def)"')
  if list then
    for entry in read(core .. "/" .. list):gsub("/%*.-%*/", ""):gmatch("MTL_%u+%b()") do
      add(name .. "." .. entry:match("%(([%w_]+)"), (text:gsub(include, function() return entry .. "\n" end)))
    end
  else
    add(name, (text:gsub(include, function(path) return read(core .. "/" .. path) end)))
  end
end
lines[#lines + 1] = "{0, 0}};\n"

local file = assert(io.open(out_path, "wb"))
assert(file:write(table.concat(lines, "\n")))
assert(file:close())
