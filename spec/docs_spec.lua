-- Every block of code in README.md, CONTRIBUTING.md and docs/ is run (spec/support/page.lua), or says why it is not.
local core = require "mtl.core"
local mtl = require "mtl"
local page = dofile "spec/support/page.lua"
local read = dofile "spec/support/program.lua".read

-- Pages that scripts/manual writes.
local families = {
  { kind = "policy", folder = "policies",
    parts = { "Formula", "Defaults", "Scale of the step", "Refused with", "When to use it", "Paper" } },
  { kind = "kpi", folder = "kpis", parts = { "Formula", "Defaults", "Soft form", "When to use it" } },
  { kind = "loss", folder = "losses", parts = { "Formula", "Defaults", "When to use it" } },
  { kind = "metric", folder = "metrics", parts = { "Formula", "Defaults", "When to use it" } },
  { kind = "nn", folder = "layers", parts = { "Defaults", "When to use it" } },
}

-- What a page leads to, in the folder where it was done.
local results = {
  ["docs/guide.md"] = function(folder)
    local houses = core.json_decode(read(folder .. "/runs/houses/summary.json")).test
    local shapes = core.json_decode(read(folder .. "/runs/shapes/summary.json")).test
    assert.is_true(houses.price.kpi > 0.9 and houses.sold.kpi > 0.85)
    assert.is_true(shapes.shape.kpi > 0.85 and shapes.size.kpi > 0.6)
  end,
  ["docs/from-pytorch.md"] = function(folder)
    assert.matches("net.safetensors", read(folder .. "/second/run.json"), nil, true)
  end,
}

local function do_pages(name, files)
  describe(name, function()
    local folder = page.folder()
    teardown(function() page.remove(folder) end)
    for _, file in ipairs(files) do
      page.test(file, folder, { it = it, pending = pending })
      if results[file] then
        it("leads to what it says", function()
          results[file](folder)
        end)
      end
    end
  end)
end

do_pages("README.md", { "README.md" })
do_pages("CONTRIBUTING.md", { "CONTRIBUTING.md" })
for _, name in ipairs(core.listdir "docs") do
  if name:find "%.md$" then
    do_pages("docs/" .. name, { "docs/" .. name })
  end
end
for _, family in ipairs(families) do
  local files = {}
  for i, name in ipairs(core.listdir("docs/" .. family.folder)) do
    files[i] = ("docs/%s/%s"):format(family.folder, name)
  end
  do_pages("docs/" .. family.folder, files)
end

-- scripts/manual --check, a test of its own, says whether the pages are what the files say.
for _, family in ipairs(families) do
  describe("the page of " .. family.kind, function()
    local index = read(("docs/%s/README.md"):format(family.folder))

    for _, name in ipairs(mtl[family.kind].names()) do
      it(name .. " has all its parts, and a line in the index", function()
        local text = read(("docs/%s/%s.md"):format(family.folder, name))
        for _, part in ipairs(family.parts) do
          assert.matches("\n## " .. part .. "\n\n[^#\n%s]", text)
        end
        for option in pairs(require("mtl.declare").definition(mtl[family.kind][name]).params) do
          assert.matches("| `" .. option .. "` |", text, nil, true)
        end
        assert.matches("| [" .. name .. "](" .. name .. ".md) |", index, nil, true)
        local line = text:match "In [^`\n]*: `([^`]+)`":gsub("^%l+ = ", "")
        local made = assert(load(("local %s = ... return %s"):format(family.kind, line)))(mtl[family.kind])
        assert.equal(name, (family.kind == "metric" and made[1] or made).type)
      end)
    end
  end)
end

describe("docs/luals/mtl.lua", function()
  local text = read "docs/luals/mtl.lua"

  it("is Lua, and returns what mtl has", function()
    local annotated = assert(load(text))()
    for name, family in pairs(annotated) do
      for _, member in ipairs(name ~= "data" and mtl[name].names() or {}) do -- data sets come in as they are named
        assert.is_function(family[member], name .. "." .. member)
      end
    end
    assert.is_function(annotated.data.csv)
  end)

  it("has the keys of recipes and what may be chosen", function()
    assert.matches("%-%-%-@field tasks mtl%.recipe%.task%[%]", text)
    assert.matches("%-%-%-@field loss mtl%.loss ", text)
    assert.matches('%-%-%-@field average%? "macro"|"weighted"|"micro"', text)
  end)
end)
