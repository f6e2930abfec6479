-- Every block of Lua in README.md and docs/ runs as it stands.
local support = dofile "spec/support/training.lua"

local function blocks(file)
  local list, line = {}, 1
  for before, code in support.read(file):gmatch "(.-)```lua\n(.-)```" do
    line = line + select(2, before:gsub("\n", "")) + 1
    list[#list + 1] = { line = line, code = code }
    line = line + select(2, code:gsub("\n", ""))
  end
  return list
end

describe("the Lua in", function()
  local folder = support.folder()
  teardown(function() support.remove(folder) end)

  for _, file in ipairs { "README.md", "docs/recipe.md", "docs/lua.md" } do
    for _, block in ipairs(blocks(file)) do
      it(("%s, line %d"):format(file, block.line), function()
        local chunk = assert(load((block.code:gsub("runs/example", folder .. "/example")), "=" .. file, "t",
          setmetatable({ print = function(...) return table.concat({ tostring((...)) }) end }, { __index = _G })))
        chunk()
      end)
    end
  end
end)
