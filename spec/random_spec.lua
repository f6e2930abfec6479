local core = require "mtl.core"

describe("random numbers", function()
  it("are Philox4x32-10, as its authors' known answers say", function()
    assert.same({ 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 }, { core.philox(0, 0, 0) })
    assert.same({ 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd }, { core.philox(-1, -1, -1) })
  end)

  it("have streams named by FNV-1a", function()
    assert.equal(0xcbf29ce484222325, core.stream "")
    assert.equal(0xaf63dc4c8601ec8c, core.stream "a")
    assert.same({ core.philox(1, core.stream "data/order", 3) }, { core.philox(1, "data/order", 3) })
  end)

  it("depend on seed, stream and counter alone", function()
    local t = core.uniform_(core.zeros(100), 7, "x", 0, -1, 1)
    assert.same(t:totable(), core.uniform_(core.zeros(100), 7, "x", 0, -1, 1):totable())
    assert.not_same(t:totable(), core.uniform_(core.zeros(100), 8, "x", 0, -1, 1):totable())
    assert.not_same(t:totable(), core.uniform_(core.zeros(100), 7, "y", 0, -1, 1):totable())
    local rest = core.uniform_(core.zeros(92), 7, "x", 2, -1, 1) -- counter 2: from element 8 on
    assert.same(t:slice(1, 9):totable(), rest:totable())
  end)

  it("have the moments that they should", function()
    local n = core.normal_(core.zeros(20000), 1, "n", 0, 2, 3)
    assert.near(2, n:mean():item(), 0.1)
    assert.near(9, ((n - 2) ^ 2):mean():item(), 0.4)
    local u = core.uniform_(core.zeros(20000), 1, "u", 0, 0, 1)
    assert.near(0.5, u:mean():item(), 0.01)
    assert.is_true(u:min():item() >= 0 and u:max():item() < 1)
  end)

  it("go on with rand and randn from manual_seed", function()
    core.manual_seed(3)
    local a, b = core.rand(5), core.randn { 2, 3 }
    assert.same({ 2, 3 }, b:shape())
    core.manual_seed(3)
    assert.same(a:totable(), core.rand(5):totable())
    local seed, counter = core.manual_seed()
    assert.same({ 3, 2 }, { seed, counter })
    core.manual_seed(seed, counter)
    assert.same(b:totable(), core.randn(2, 3):totable())
  end)

  it("permute", function()
    local p = core.permutation(1000, 1, "data/order", 0):totable()
    local sorted = { table.unpack(p) }
    table.sort(sorted)
    for i = 1, 1000 do
      assert.equal(i - 1, sorted[i])
    end
    assert.not_same(sorted, p)
    assert.same({}, core.permutation(0, 1, 1):totable())
    assert.has_error(function()
      core.permutation(-1, 1, 1)
    end)
  end)
end)
