-- Writes Lua modules and pages of the manual as a C file: lua5.4 scripts/embed.lua OUT.c ROOT FILE.lua ... PAGE.md ...
-- A module is named by its path below ROOT: mtl/nn/init.lua is mtl.nn. A page is a module that returns its text:
-- .../docs/policies/focal.md is mtl.manual.policies/focal. See lua/binding/embedded.h.
local out_path, root = arg[1], arg[2]
local escapes = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n", ["\t"] = "\\t", ["?"] = "\\?" }

local function quoted(text)
  local safe = text:gsub('[\\"\n\t?]', escapes):gsub("[^ -~]", function(c)
    return ("\\%03o"):format(c:byte())
  end)
  return '"' .. safe .. '"'
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function page(path)
  local name = path:match "^.*/docs/(.*)%.md$"
  return name and { name = "mtl.manual." .. name, chunk = "@docs/" .. name .. ".md",
    text = ("return %q\n"):format(read(path)) }
end

local function module(path)
  assert(path:sub(1, #root + 1) == root .. "/", path .. " does not lie below " .. root)
  local below = path:sub(#root + 2)
  return { name = below:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."), chunk = "@" .. below, text = read(path) }
end

local modules = {}
for i = 3, #arg do
  modules[#modules + 1] = page(arg[i]) or module(arg[i])
end
table.sort(modules, function(a, b) return a.name < b.name end)

local lines = { "/* Made by scripts/embed.lua. */", '#include "embedded.h"', "" }
lines[#lines + 1] = "const lmtl_embedded lmtl_embedded_modules[] = {"
for _, m in ipairs(modules) do
  lines[#lines + 1] = ("{%s, %s,"):format(quoted(m.name), quoted(m.chunk))
  for line in m.text:gmatch("[^\n]*\n?") do
    lines[#lines + 1] = quoted(line)
  end
  lines[#lines + 1] = (", %d},"):format(#m.text)
end
lines[#lines + 1] = "{0, 0, 0, 0}};\n"

local file = assert(io.open(out_path, "wb"))
assert(file:write(table.concat(lines, "\n")))
assert(file:close())
