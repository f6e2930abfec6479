-- docs/guide.md, docs/sharing.md and docs/from-pytorch.md, done as they say.
local page = dofile "spec/support/page.lua"
local program = dofile "spec/support/program.lua"

describe("docs/guide.md", function()
  local folder = program.folder()
  teardown(function() program.remove(folder) end)

  page("docs/guide.md", folder, it)

  it("leads to models that know their tasks", function()
    local function kpis(run)
      local text = program.read(folder .. "/runs/" .. run .. "/summary.json")
      return require "mtl.core".json_decode(text).test
    end
    local houses, shapes = kpis "houses", kpis "shapes"
    assert.is_true(houses.price.kpi > 0.9 and houses.sold.kpi > 0.85)
    assert.is_true(shapes.shape.kpi > 0.85 and shapes.size.kpi > 0.6)
  end)
end)

describe("docs/sharing.md", function()
  local folder = program.folder()
  teardown(function() program.remove(folder) end)

  page("docs/sharing.md", folder, it)
end)

describe("docs/from-pytorch.md", function()
  local folder = program.folder()
  teardown(function() program.remove(folder) end)

  page("docs/from-pytorch.md", folder, it)

  it("starts from the weights that were brought", function()
    local lines = program.read(folder .. "/second/run.json")
    assert.matches("net.safetensors", lines, nil, true)
  end)
end)
