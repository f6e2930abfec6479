local core = require "mtl.core"
local encode, decode = core.json_encode, core.json_decode

describe("JSON", function()
  it("is written the same for the same table", function()
    assert.equal('{"a":1,"b":[1,2.5,"x"],"c":{"d":true}}', encode { c = { d = true }, b = { 1, 2.5, "x" }, a = 1 })
    assert.equal("{}", encode {})
    assert.equal("[]", encode(core.array {}))
    assert.equal("[[],{}]", encode { core.array(), {} })
    assert.equal("null", encode(nil))
    assert.equal("[1,null,3]", encode { 1, core.null, 3 })
  end)

  it("writes numbers exactly", function()
    assert.equal("[1,3,-0.1,0.30000000000000004,1e+300,9223372036854775807]",
      encode { 1.0, 3, -0.1, 0.1 + 0.2, 1e300, math.maxinteger })
    assert.equal("[null,null,null]", encode { 0 / 0, math.huge, -math.huge })
    assert.equal("123456789012345", encode(123456789012345.0))
    for _, x in ipairs { 1 / 3, 5e-324, 1.7976931348623157e308, 2 ^ 53 + 2, -2 ^ 60 } do
      assert.equal(x, decode(encode(x)))
    end
  end)

  it("writes strings that any reader takes", function()
    assert.equal([["a\"b\\c\n\t\u0001é"]], encode "a\"b\\c\n\t\1é")
    assert.equal('"\u{FFFD}x\u{FFFD}"', encode "\xffx\xc3")
    assert.equal([["\u0000"]], encode "\0")
  end)

  it("is laid out for people when asked", function()
    assert.equal('{\n  "a": {\n    "b": [1, 2]\n  },\n  "c": {}\n}', encode({ a = { b = { 1, 2 } }, c = {} }, true))
  end)

  it("is read back", function()
    local t = { name = "x", list = { 1, 2, { y = false } }, n = 1.25, empty = core.array() }
    assert.equal(encode(t), encode(decode(encode(t))))
    assert.equal("integer", math.type(decode "3"))
    assert.equal(core.null, decode "null")
    assert.equal(core.null, decode('{"a":null}').a)
    assert.equal("é\n", decode [["\u00e9\n"]])
  end)

  it("refuses what is not JSON, and tables that JSON has no word for", function()
    for _, bad in ipairs { "", "{", "[1,]", "nul", "1 2", '{"a":1}x', ("["):rep(5000) } do
      assert.has_error(function()
        decode(bad)
      end)
    end
    local loop = {}
    loop.loop = loop
    for _, bad in ipairs { { 1, 2, x = 3 }, { [3] = 1 }, { print }, { [true] = 1 }, loop } do
      assert.has_error(function()
        encode(bad)
      end)
    end
  end)
end)
