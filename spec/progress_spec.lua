local core = require "mtl.core"
local mtl = require "mtl"
local progress = require "mtl.progress"
local text = require "mtl.cli.text"

-- A file that keeps what is written to it.
local function sink()
  local file = { text = "" }
  function file:write(...)
    self.text = self.text .. table.concat { ... }
    return self
  end
  function file.flush() end
  return file
end

local function tasks(...)
  local list = {}
  for i, name in ipairs { ... } do
    list[i] = { name = name, kpi = { type = "accuracy" }, metrics = {}, metric_names = {} }
  end
  return list
end

local info = {
  out = "runs/one", recipe = { name = "small", tasks = tasks("left", "right") }, seed = 1, parameters = 21840,
  shared = 20000, rows = { train = 1000 }, batch = 10, batches = { 100, 100 },
  stages = { { ends = mtl.when.epochs(1) }, { ends = mtl.when.epochs(3) } },
}

local function step(n, stage_step)
  return { stage = "both", stage_index = 2, step = n, stage_step = stage_step, batch = (stage_step - 1) % 100 + 1,
    batches = 100, samples_per_s = 5000, tasks = {
      left = { loss = 0.5, kpi = 0.75, kpi_ema = 0.7, weight = 1.5 },
      right = { loss = 1.25, kpi = core.null, kpi_ema = core.null, weight = 0.5 },
    } }
end

local valid = { left = { loss = 0.25, kpi = 0.875 }, right = { loss = 0.5, kpi = core.null } }

local function make(options)
  options.file = sink()
  options.seconds = 0
  options.clock = function()
    return options.seconds
  end
  local p = progress.new(options)
  p:start(options.info or info)
  return p, options.file, options
end

describe("progress", function()
  local columns, rows

  before_each(function()
    columns, rows = core.columns, core.rows
  end)
  after_each(function()
    core.columns, core.rows = columns, rows
  end)

  local function wide(n)
    core.columns = function()
      return n
    end
  end

  it("is one line an epoch where there is no terminal", function()
    local p, file = make { terminal = false }
    p:step(step(101, 1))
    p:epoch { epoch = 2, stage = "both", stage_index = 2, stage_step = 100, step = 200, valid = valid }
    assert.equal("small: 21,840 parameters (20,000 shared), 1,000 examples to train on, seed 1\n"
      .. "epoch 2/4  both  left: loss 0.2500 KPI 0.8750  right: loss 0.5000 KPI -  (validation)\n", file.text)
  end)

  it("names a device that is not the CPU", function()
    local _, file = make { terminal = false, device = "opencl:2" }
    assert.matches("seed 1, on opencl:2\n", file.text, 1, true)
    _, file = make { terminal = false, device = "cpu" }
    assert.falsy(file.text:find "cpu")
  end)

  it("says so when an epoch's figures are not those of a validation", function()
    local p, file = make { terminal = false }
    p:epoch { epoch = 2, stage = "both", stage_index = 2, stage_step = 100, step = 200, tasks = step(1, 1).tasks }
    assert.truthy(file.text:find("left: loss 0.5000 KPI 0.7500", 1, true))
    assert.truthy(file.text:find("(last training batch)", 1, true))
  end)

  it("knows no length where a KPI ends a stage", function()
    local p, file = make { terminal = false, info = setmetatable({ stages = {
      { ends = mtl.when.kpi("left", 0.9) }, { ends = mtl.when.epochs(3) } } }, { __index = info }) }
    p:epoch { epoch = 2, stage = "both", stage_index = 2, stage_step = 100, step = 200, valid = valid }
    assert.truthy(file.text:find("epoch 2  both", 1, true))
  end)

  it("ends with the test and the run's folder", function()
    local p, file = make { terminal = false }
    p:done { out = "/x/runs/one", steps = 400, epochs = 4, seconds = 65, samples_per_s = 12345.6, test = valid }
    for _, part in ipairs { "test", "left   0.2500  0.8750  accuracy", "400 steps, 4 epochs in 1:05 (12,346 samples/s)",
      "\n/x/runs/one\n" } do
      assert.truthy(file.text:find(part, 1, true), file.text)
    end
  end)

  it("draws a bar on a terminal, at most ten times a second", function()
    wide(120)
    local p, file, o = make { terminal = true, utf8 = true }
    o.seconds = 10
    p:step(step(100, 100))
    local once = #file.text
    assert.truthy(file.text:find("\27[?25l", 1, true)) -- the cursor hides
    for _, part in ipairs { "both  epoch 1/3  ━━━", "step 100/400", "0:30 left", "5,000 samples/s",
      "left   loss    0.5000  KPI 0.7500 ███████▌  ", "smooth 0.7000  weight       1.5 ███████▌",
      "right  loss    1.2500" } do
      assert.truthy(file.text:find(part, 1, true), file.text)
    end
    o.seconds = 10.05
    p:step(step(101, 101))
    assert.equal(once, #file.text)
    o.seconds = 10.2
    p:step(step(102, 102))
    assert.truthy(file.text:find("\27[3A\r", once, true)) -- over the three lines before
    p:close()
    assert.equal("\27[3A\r\27[J\27[?25h", file.text:sub(-#"\27[3A\r\27[J\27[?25h"))
    local closed = #file.text
    p:close()
    assert.equal(closed, #file.text)
  end)

  local function lines_of(columns_now, utf8, names)
    wide(columns_now)
    local of = names and setmetatable({ recipe = { name = "many", tasks = tasks(table.unpack(names)) } },
      { __index = info })
    local p, file, o = make { terminal = true, utf8 = utf8, info = of }
    file.text = ""
    o.seconds = 1
    local ev = step(100, 100)
    for _, name in ipairs(names or {}) do
      ev.tasks[name] = { loss = 0.5, kpi = 0.75, kpi_ema = 0.7, weight = 0.01234 }
    end
    p:step(ev)
    local list = {}
    for line in file.text:gmatch "([^\n]*)\n" do
      list[#list + 1] = (line:gsub("\27%[%??%d*%a", ""):gsub("\r", ""))
    end
    return list
  end

  it("fits narrow terminals", function()
    for n = 20, 130, 5 do
      for i, line in ipairs(lines_of(n, true)) do
        assert.truthy(i == 1 or text.width(line) < n, ("%d: %s"):format(n, line))
      end
    end
    assert.truthy(table.concat(lines_of(60, true)):find("step 100/400", 1, true))
    assert.falsy(table.concat(lines_of(20, true)):find "━")
  end)

  it("shows figures whole or not at all", function()
    for n = 12, 130 do
      for i, line in ipairs(lines_of(n, true, { "left", "a task of a long name" })) do
        if i > 1 then
          assert.truthy(text.width(line) < n, line)
          for _, figure in ipairs { "KPI +0.7500", "loss +0.5000", "smooth +0.7000", "weight +[01]%.[05]" } do
            assert.truthy(not line:find(figure:match "^%a+", 1, true) or line:find(figure), line)
          end
        end
      end
    end
    assert.truthy(lines_of(50, true)[2]:find("left   loss 0.5000  KPI 0.7500  weight    1.5", 1, true))
    assert.truthy(lines_of(80, true)[2]:find("smooth 0.7000  weight       1.5", 1, true))
  end)

  it("is no taller than the terminal", function()
    local names = {}
    for i = 1, 15 do
      names[i] = ("task%d"):format(i)
    end
    for n = 4, 40 do
      core.rows = function()
        return n
      end
      local list = lines_of(80, true, names)
      assert.equal(math.min(n - 2, 13), #list)
      assert.equal(("  ... and %d more"):format(15 - (#list - 2)), list[#list])
    end
    core.rows = function()
      return 3
    end
    assert.equal(1, #lines_of(80, true, names))
  end)

  it("tells long names apart", function()
    local list = lines_of(60, true, { "attribute_of_the_digit_01", "attribute_of_the_digit_02" })
    assert.truthy(list[2]:find("^  attri%S*it_01 ") and list[3]:find("^  attri%S*it_02 "), list[2])
  end)

  it("breaks an epoch's line between tasks, on a terminal", function()
    wide(50)
    local p, file = make { terminal = true, utf8 = true }
    file.text = ""
    p:epoch { epoch = 2, stage = "both", stage_index = 2, stage_step = 100, step = 200, valid = valid }
    assert.equal("epoch 2/4  both  left: loss 0.2500 KPI 0.8750\n  right: loss 0.5000 KPI -  (validation)\n", file.text)
  end)

  it("is ASCII where the terminal is", function()
    local all = table.concat(lines_of(130, false))
    assert.falsy(all:find "[\128-\255]")
    assert.truthy(all:find("KPI 0.7500 ########..", 1, true))
    assert.truthy(all:find "#+%.+  step")
  end)

  it("lets no control character of a recipe reach the terminal", function()
    wide(100)
    local odd = { recipe = { name = "a\27[2Jb", tasks = tasks "ev\27]0;il\7" } }
    local p, file, o = make { terminal = true, utf8 = true, info = setmetatable(odd, { __index = info }) }
    local ev = step(1, 1)
    ev.stage, ev.tasks = "st\27[1mage\194\155", { ["ev\27]0;il\7"] = ev.tasks.left }
    o.seconds = 1
    p:step(ev)
    p:epoch { epoch = 1, stage = "st\27[1mage", stage_index = 2, stage_step = 1, step = 1,
      valid = { ["ev\27]0;il\7"] = valid.left } }
    p:close()
    local rest = file.text:gsub("\27%[%?25[lh]", ""):gsub("\27%[%d*[AJK]", "")
    assert.falsy(rest:find "[\27\7\155]", rest)
  end)

  it("says nothing when it is quiet", function()
    local p, file, o = make { quiet = true, terminal = true }
    o.seconds = 1
    p:step(step(1, 1))
    p:epoch { epoch = 1, stage = "both", stage_index = 2, stage_step = 1, step = 1, valid = valid }
    p:warn "something"
    p:done { out = "x", steps = 1, epochs = 1, seconds = 1, samples_per_s = 1, test = valid }
    p:close()
    assert.equal("", file.text)
  end)
end)

describe("text", function()
  it("counts and measures time", function()
    assert.equal("0", text.count(0))
    assert.equal("999", text.count(999))
    assert.equal("1,000", text.count(1000))
    assert.equal("-21,840", text.count(-21840))
    assert.equal("1,234,567", text.count(1234567))
    assert.equal("0:00", text.duration(0))
    assert.equal("59:59", text.duration(3599))
    assert.equal("1:00:00", text.duration(3600))
  end)

  it("shows figures in four digits, and what is undefined as a dash", function()
    assert.equal("0.5000", text.loss(0.5))
    assert.equal("1.00e-05", text.loss(1e-5))
    assert.equal("2.00e+09", text.loss(2e9))
    assert.equal("-", text.loss(core.null))
    assert.equal("-", text.kpi(nil))
  end)

  it("draws bars of one width", function()
    for i = -2, 22 do
      for _, style in ipairs { "line", "block", "ascii" } do
        assert.equal(10, text.width(text.bar(i / 20, 10, style)))
      end
    end
    assert.equal((" "):rep(4), text.bar(0 / 0, 4, "block"))
    assert.equal("████", text.bar(1, 4, "block"))
  end)

  it("shortens in the middle", function()
    assert.equal("äb…yz", text.shorten("äbcdefxyz", 5, true))
    assert.equal("ab..z", text.shorten("abcdefxyz", 5, false))
    assert.equal("abc", text.shorten("abc", 3, true))
    for n = 0, 9 do
      assert.equal(n, text.width(text.shorten("äbcdefxyz", n, true)))
    end
  end)

  it("wraps between parts", function()
    assert.same({ "aa  bb", "  cc", "  dddddddddd" }, text.wrap({ "aa", "bb", "cc", "dddddddddd" }, 7))
    assert.same({ "aa  bb" }, text.wrap({ "aa", "bb" }, math.huge))
  end)

  it("cuts by characters", function()
    assert.equal("äö", text.cut("äöü", 2))
    assert.equal("äöü", text.cut("äöü", 3))
    assert.equal("", text.cut("äöü", 0))
  end)
end)
