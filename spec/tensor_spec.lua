local core = require "mtl.core"

local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

describe("tensor", function()
  it("is made from nested tables and gives them back", function()
    local t = core.tensor { { 1, 2, 3 }, { 4, 5, 6.5 } }
    assert.same({ 2, 3 }, t:shape())
    assert.equal(2, t:rank())
    assert.equal(6, t:count())
    assert.equal("float32", t:dtype())
    assert.equal("cpu", t:device())
    assert.equal(2, #t)
    assert.equal(3, t:shape(-1))
    assert.same({ { 1, 2, 3 }, { 4, 5, 6.5 } }, t:totable())
  end)

  it("of one number has rank 0", function()
    local t = core.tensor(2.5)
    assert.same({}, t:shape())
    assert.equal(2.5, t:item())
    assert.has_error(function()
      return #t
    end)
  end)

  it("may be empty", function()
    assert.same({ 0 }, core.tensor({}):shape())
    assert.same({ 2, 0, 3 }, core.zeros(2, 0, 3):shape())
    assert.same({ {}, {} }, core.zeros(2, 0):totable())
  end)

  it("of whole numbers gives integers back, and checks their range", function()
    local t = core.tensor({ 0, 255 }, "uint8")
    assert.equal("integer", math.type(t:totable()[2]))
    assert.matches("element 2 is 256.0", message(core.tensor, { 0, 256 }, "uint8"), 1, true)
    assert.matches("element 1 is 0.5", message(core.tensor, { 0.5 }, "int32"), 1, true)
    assert.same({ -2147483648, 2147483647 }, core.tensor({ -2147483648, 2147483647 }, "int32"):totable())
  end)

  it("says what is wrong with tables that do not fit", function()
    assert.matches("unequal sizes", message(core.tensor, { { 1, 2 }, { 3 } }))
    assert.matches("unequal sizes", message(core.tensor, { { 1, 2 }, 3 }))
    assert.matches("element 2 is string", message(core.tensor, { 1, "2" }))
    assert.matches("dtype 'float16'", message(core.tensor, { 1 }, "float16"))
    local nested = {}
    for _ = 1, 9 do
      nested = { nested }
    end
    assert.matches("deeper than 8", message(core.tensor, nested))
  end)

  it("has constructors for constants and ranges", function()
    assert.same({ { 0, 0 } }, core.zeros(1, 2):totable())
    assert.same({ 1, 1 }, core.ones({ 2 }):totable())
    assert.same({ 1, 1 }, core.ones(2, "int32"):totable())
    assert.same({ { 7 }, { 7 } }, core.full({ 2, 1 }, 7):totable())
    assert.same({ 0, 1, 2 }, core.arange(3):totable())
    assert.same({ 1, 1.5, 2 }, core.arange(1, 2.5, 0.5):totable())
    assert.same({ 3, 2, 1 }, core.arange(3, 0, -1):totable())
    assert.same({}, core.arange(3, 0):totable())
    assert.matches("in steps of 0", message(core.arange, 0, 1, 0))
    assert.matches("size 1 is 2.5", message(core.zeros, 2.5))
    assert.matches("dimension 1 is negative", message(core.zeros, -1))
    assert.matches("larger than any memory", message(core.zeros, 1 << 40, 1 << 40))
  end)

  it("goes through bytes unchanged", function()
    local t = core.tensor { 1, -2.5, 0 / 0, math.huge }
    local back = core.from_string("float32", { 4 }, t:bytes())
    assert.equal(t:bytes(), back:bytes())
    assert.equal(16, #t:bytes())
    assert.matches("15 bytes, which should be 16", message(core.from_string, "float32", { 4 }, ("x"):rep(15)))
  end)

  it("indexes rows from 1, and ends for ipairs", function()
    local t = core.tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } }
    assert.same({ 3, 4 }, t[2]:totable())
    assert.same({ 5, 6 }, t[-1]:totable())
    assert.equal(4, t[2][2]:item())
    local rows = {}
    for i, row in ipairs(t) do
      rows[i] = row[1]:item()
    end
    assert.same({ 1, 3, 5 }, rows)
    assert.matches("index 5 of a dimension of size 3", message(function()
      return t[5]
    end))
    assert.matches("index 0", message(function()
      return t[0]
    end))
    t[2]:fill_(9)
    assert.same({ { 1, 2 }, { 9, 9 }, { 5, 6 } }, t:totable())
    assert.matches("fill_", message(function()
      t[1] = 3
    end))
  end)

  it("is copied and filled in place", function()
    local t = core.tensor { 1, 2 }
    local c = t:clone()
    t:fill_(5)
    assert.same({ 1, 2 }, c:totable())
    t:copy_(c)
    assert.same({ 1, 2 }, t:totable())
    assert.matches("%[3%] into", message(t.copy_, t, core.zeros(3)))
  end)

  it("prints as NumPy does", function() -- the numbers as NumPy 2.4 prints them
    local function prints(text, t)
      assert.equal(text, (tostring(t):gsub("%s+%l+%d+ ?%[?[%d, ]*%]?, cpu$", "")))
    end
    assert.equal("[1. 2. 3.]  float32 [3], cpu", tostring(core.tensor { 1, 2, 3 }))
    assert.equal("2.5  float32, cpu", tostring(core.tensor(2.5)))
    assert.equal("[[ 1  2]\n [-3 40]]\nint32 [2, 2], cpu", tostring(core.tensor({ { 1, 2 }, { -3, 40 } }, "int32")))
    assert.equal("[]  float32 [0], cpu", tostring(core.zeros(0)))
    prints("3.0", core.tensor(3))
    prints("1e+10", core.tensor(1e10))
    prints("[[ 1.   2.5]\n [ 3.  -4. ]]", core.tensor { { 1, 2.5 }, { 3, -4 } })
    prints("[1.e-03 1.e+03 1.e-08]", core.tensor { 0.001, 1000, 1e-8 })
    prints("[1.0e+06 1.5e+00]", core.tensor { 1e6, 1.5 })
    prints("[nan inf  1.]", core.tensor { 0 / 0, 1 / 0, 1 })
    prints("[0.1  0.25]", core.tensor { 0.1, 0.25 })
    prints("[0.33333334 0.6666667 ]", core.tensor { 1 / 3, 2 / 3 })
    prints("[ -5.25   3.25   8.5    7.5   -9.5   11.5    5.75   4.75  -8.    10.5\n -12.25]",
      core.tensor { -5.25, 3.25, 8.5, 7.5, -9.5, 11.5, 5.75, 4.75, -8, 10.5, -12.25 })
    prints("[    0     1     2 ... 99997 99998 99999]", core.arange(100000, "int32"))
    assert.is_true(#tostring(core.zeros(100, 100, 100)) < 4000)
  end)

  it("is freed by <close>, and says so afterwards", function()
    local before = core.memory().bytes
    local kept
    do
      local t <close> = core.zeros(1000, 1000)
      assert.is_true(core.memory().bytes >= before + 4000000)
      kept = t
    end
    assert.is_true(core.memory().bytes < before + 4000000)
    assert.matches("closed", message(kept.shape, kept))
    assert.equal("tensor (closed)", tostring(kept))
  end)

  it("cannot be tampered with through its metatable", function()
    assert.equal("mtl.tensor", getmetatable(core.zeros(1)))
    assert.has_error(function()
      setmetatable(core.zeros(1), {})
    end)
    assert.equal("mtl.tensor", core.type(core.zeros(1)))
    assert.is_nil(core.type({}))
  end)

  it("survives a finaliser that closes it while an operator reads its arguments", function()
    collectgarbage("generational") -- collects often
    for _ = 1, 2000 do
      local a = core.ones(8)
      setmetatable({}, { __gc = function()
        local _ <close> = a
      end })
      pcall(core.add, a, a)
      pcall(core.where, a, 1, a)
      pcall(core.cat, { a, a })
      pcall(a.totable, a)
    end
    collectgarbage("incremental")
  end)

  it("does not pile up in a loop", function()
    for _ = 1, 2000 do
      core.zeros(512, 512) -- 1 MB each
    end
    assert.is_true(core.memory().bytes < 512 << 20)
  end)

  it("is bound by the memory limit, and collected before it is reached", function()
    collectgarbage()
    core.memory_limit(core.memory().bytes + (20 << 20))
    for _ = 1, 200 do
      core.zeros(512, 512)
    end
    local e = message(core.zeros, 4096, 4096)
    core.memory_limit(0)
    assert.matches("memory", e)
    assert.equal("memory", (core.last_status()))
  end)
end)
