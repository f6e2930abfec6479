-- Every block of Lua in README.md and docs/ runs as it stands, and prints what it says after "-->".
local core = require "mtl.core"
local mtl = require "mtl"
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

  local files = { "README.md", "docs/recipe.md", "docs/lua.md" }
  for _, name in ipairs(core.listdir "docs/policies") do
    files[#files + 1] = "docs/policies/" .. name
  end
  for _, file in ipairs(files) do
    for _, block in ipairs(blocks(file)) do
      it(("%s, line %d"):format(file, block.line), function()
        local printed, said = {}, {}
        local function print(...)
          printed[#printed + 1] = table.concat({ tostring((...)) })
        end
        local chunk = assert(load((block.code:gsub("runs/example", folder .. "/example")), "=" .. file, "t",
          setmetatable({ print = print }, { __index = _G })))
        chunk()
        for line in block.code:gmatch "%-%-> ([^\n]*)" do
          said[#said + 1] = line
        end
        assert.same(said, #said > 0 and printed or {})
      end)
    end
  end
end)

-- scripts/manual --check, a test of its own, says whether the pages are what the files say.
describe("the page of policy", function()
  local index = support.read "docs/policies/README.md"

  for _, name in ipairs(mtl.policy.names()) do
    it(name .. " has all its parts, and a line in the index", function()
      local page = support.read("docs/policies/" .. name .. ".md")
      for _, part in ipairs { "Formula", "Defaults", "Scale of the step", "When to use it", "Paper" } do
        assert.matches("\n## " .. part .. "\n\n[^#\n%s]", page)
      end
      for option in pairs(require("mtl.declare").definition(mtl.policy[name]).params) do
        assert.matches("| `" .. option .. "` |", page, nil, true)
      end
      assert.matches("| [" .. name .. "](" .. name .. ".md) |", index, nil, true)
      local line = page:match "In a recipe or a stage: `(policy = .-)`%."
      local made = assert(load("local policy = ... return { " .. line .. " }"))(mtl.policy).policy
      assert.equal(name, made.type)
    end)
  end
end)
