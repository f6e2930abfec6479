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

-- Pages that scripts/manual writes.
local families = {
  { kind = "policy", folder = "policies",
    parts = { "Formula", "Defaults", "Scale of the step", "When to use it", "Paper" } },
  { kind = "kpi", folder = "kpis", parts = { "Formula", "Defaults", "Soft form", "When to use it" } },
  { kind = "loss", folder = "losses", parts = { "Formula", "Defaults", "When to use it" } },
  { kind = "metric", folder = "metrics", parts = { "Formula", "Defaults", "When to use it" } },
  { kind = "nn", folder = "layers", parts = { "Defaults", "When to use it" } },
}

local function names(kind)
  local list = {}
  for _, name in ipairs(mtl[kind].names()) do
    list[#list + 1] = name ~= "graph" and name or nil
  end
  return list
end

describe("the Lua in", function()
  local folder = support.folder()
  teardown(function() support.remove(folder) end)

  local files = { "README.md", "docs/recipe.md", "docs/lua.md" }
  for _, family in ipairs(families) do
    for _, name in ipairs(core.listdir("docs/" .. family.folder)) do
      files[#files + 1] = ("docs/%s/%s"):format(family.folder, name)
    end
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
for _, family in ipairs(families) do
  describe("the page of " .. family.kind, function()
    local index = support.read(("docs/%s/README.md"):format(family.folder))

    for _, name in ipairs(names(family.kind)) do
      it(name .. " has all its parts, and a line in the index", function()
        local page = support.read(("docs/%s/%s.md"):format(family.folder, name))
        for _, part in ipairs(family.parts) do
          assert.matches("\n## " .. part .. "\n\n[^#\n%s]", page)
        end
        for option in pairs(require("mtl.declare").definition(mtl[family.kind][name]).params) do
          assert.matches("| `" .. option .. "` |", page, nil, true)
        end
        assert.matches("| [" .. name .. "](" .. name .. ".md) |", index, nil, true)
        local line = page:match "In [^`\n]*: `([^`]+)`":gsub("^%l+ = ", "")
        local made = assert(load(("local %s = ... return %s"):format(family.kind, line)))(mtl[family.kind])
        assert.equal(name, (family.kind == "metric" and made[1] or made).type)
      end)
    end
  end)
end
