local chart = require "mtl.cli.chart"
local core = require "mtl.core"
local curve = require "mtl.cli.curve"
local markdown = require "mtl.cli.markdown"

local plain = { utf8 = false, colour = false }

describe("curves on a terminal", function()
  it("are lines within a frame that has its scale", function()
    local lines = chart.lines("loss", { { name = "left", x = { 1, 2, 3 }, y = { 0, 1, 2 }, n = 3 } },
      { columns = 12, rows = 5 }, plain)
    assert.same({
      "loss",
      " 2|       a",
      "  |     aa ",
      " 1|    a   ",
      "  |  aa    ",
      " 0|aa      ",
      "  +--------",
      "   1 step 3",
      "  a left",
    }, lines)
  end)

  it("break where values are missing, and have a letter each", function()
    local lines = chart.lines("x", { { name = "a", x = { 1, 2, 3, 4, 5 }, y = { 1, 1, nil, 1, 1 }, n = 5 },
      { name = "b", x = { 1, 2, 3, 4, 5 }, y = { 0, 0, 0, 0, 0 / 0 }, n = 5 } }, { columns = 13, rows = 3 }, plain)
    assert.equal("   1|aaa  aaa", lines[2])
    assert.equal("   0|bbbbbb  ", lines[4])
    assert.equal("  a a  b b", lines[#lines])
  end)

  it("say so where there is nothing to draw", function()
    assert.same({ "KPI: nothing to draw yet" }, chart.lines("KPI", {}, { columns = 40, rows = 5 }, plain))
  end)

  it("are drawn in dots of braille", function()
    local lines = chart.lines("x", { { name = "a", x = { 1, 2 }, y = { 0, 1 }, n = 2 } }, { columns = 20, rows = 3 },
      { utf8 = true, colour = false })
    assert.matches("⣀", table.concat(lines), nil, true)
  end)

  it("are thinned out when a training is long", function()
    local c = curve.new { "left", "right" }
    for step = 1, 20000 do
      c:add { step = step, tasks = { left = { loss = step, kpi = core.null, weight = 1 } } }
    end
    local series = c:series "loss"
    assert.equal(1, #series)
    assert.is_true(series[1].n > 4000 and series[1].n < 8192)
    for i = 1, series[1].n do
      assert.equal(series[1].x[i], series[1].y[i])
    end
    assert.equal(1, series[1].x[1])
    assert.is_true(series[1].x[series[1].n] > 19990)
    assert.same({}, c:series("kpi")[1].y)
  end)
end)

describe("pages of the manual on a terminal", function()
  local function lines(page, columns)
    return table.concat(markdown(page, columns or 40, function(s) return "<" .. s .. ">" end), "\n")
  end

  it("have filled paragraphs, lists, code as it stands", function()
    assert.equal("<Title>\n\none two three\nfour\n\n- a list that\n  goes on\n- more\n\n    x = 1",
      lines("<!-- made -->\n# Title\n\none [two](a.md)\n**three** four\n\n- a list that\n  goes on\n- more\n\n"
      .. "```lua\nx = 1\n```\n", 15))
  end)

  it("have tables in columns, or below one another where it is narrow", function()
    local page = "| a | text |\n|---|---|\n| `b` | words \\| more |\n| `long` | |\n"
    assert.equal("  a       text\n  `b`     words | more\n  `long`  ", lines(page))
    assert.equal("  a\n      text\n  `b`\n      words | more\n  `long`", lines(page, 20))
  end)
end)
