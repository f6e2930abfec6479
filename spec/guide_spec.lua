-- docs/guide.md, done as it says: files are written, commands are run, in its order.
local program = dofile "spec/support/program.lua"

local function blocks()
  local list, text, from = {}, program.read "docs/guide.md", 1
  while true do
    local first, last, kind, body = text:find("```(%l+)\n(.-)```", from)
    if not first then
      return list
    end
    local line = select(2, text:sub(1, first):gsub("\n", "")) + 1
    list[#list + 1], from = { kind = kind, body = body, line = line }, last + 1
  end
end

describe("docs/guide.md", function()
  local folder = program.folder()
  local mtl = assert(os.getenv "MTL_PROGRAM")
  teardown(function() program.remove(folder) end)

  for _, block in ipairs(blocks()) do
    it("line " .. block.line, function()
      local name = block.kind == "lua" and assert(block.body:match "^%-%- file: (%S+)\n", "a file's name comes first")
      if name then
        program.write(folder .. "/" .. name, block.body)
        return
      end
      assert.equal("sh", block.kind)
      local r = program.run(folder, { "-c", ("set -e\nmtl() { '%s' \"$@\"; }\n%s"):format(mtl, block.body) }, nil,
        "/bin/sh")
      assert.equal("", r.err)
      assert.equal(0, r.status)
      assert.is_true(#r.out > 0 or block.body:find "%-%-quiet" ~= nil or block.body:find "make%-" ~= nil)
    end)
  end

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
