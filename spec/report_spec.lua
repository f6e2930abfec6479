local core = require "mtl.core"
local chart = require "mtl.report.chart"
local program = dofile "spec/support/program.lua"
local thumbnail = require "mtl.report.thumbnail"

local folder

local function mtl(...)
  return program.run(folder, { ... })
end

local function ok(...)
  local result = mtl(...)
  assert.equal("", result.err)
  assert.equal(0, result.status)
  return result.out
end

local function write(name, text)
  program.write(folder .. "/" .. name, text)
end

local function read(name)
  return program.read(folder .. "/" .. name)
end

local function has(text, ...)
  for _, part in ipairs { ... } do
    assert.truthy(text:find(part, 1, true), ("the page should say %q"):format(part))
  end
end

local function lacks(text, ...)
  for _, part in ipairs { ... } do
    assert.falsy(text:find(part, 1, true), ("the page should not say %q"):format(part))
  end
end

local function line(record)
  return core.json_encode(record) .. "\n"
end

-- A run folder made by hand: so many steps of tasks a and b, `loss(step)` that of a.
local function fake(name, steps, o)
  o = o or {}
  core.mkdir(folder .. "/" .. name .. "/recipe")
  write(name .. "/recipe/r.lua", o.recipe or "return 1\n")
  write(name .. "/run.json", core.json_encode { format = require "mtl.folder".FORMAT, recipe = { name = o.title or name,
    file = "r.lua", folder = "/gone" }, seed = 7, device = "cpu", set = core.array(o.set or {}),
    data = o.data or {} })
  local list, tasks = {}, o.tasks or { "a", "b" }
  list[1] = line { kind = "stage", step = 0, stage = o.stage or "only", tasks = core.array(tasks), policy = "uniform" }
  for step = 1, steps do
    local of = {}
    for i, task in ipairs(tasks) do
      of[task] = { loss = o.loss and i == 1 and o.loss(step) or 1 / step, kpi = 0.5, kpi_ema = 0.25, weight = i }
    end
    list[#list + 1] = line { kind = "step", step = step, epoch = 1, stage = "only", lr = 0.1, loss = 1,
      samples_per_s = 100, tasks = of }
  end
  write(name .. "/metrics.jsonl", table.concat(list) .. (o.more or ""))
  return name
end

describe("a report", function()
  setup(function()
    folder = program.folder()
  end)
  teardown(function()
    program.remove(folder)
  end)

  describe("of a run", function()
    local page
    setup(function()
      write("spec.lua", program.recipe())
      mtl("run", "spec.lua", "--out", "run", "--seed", "4", "--set", "diagnose=2", "--set", "optimizer.lr=0.05")
      page = read "run/report.html"
    end)

    it("is left by mtl run, with all its parts", function()
      has(page, "<title>spec</title>", "finished", "<b>left</b> loss", "<b>left</b> KPI", "<b>right</b> weight",
        "learning rate", "samples/s", "<b>left</b> gradient norm", "<b>left and right</b> cosine", "left first",
        "confusion matrix", "prediction by truth, 20 of 20", "The first rows of the test split",
        "local x = mtl.rand(200, 4)", "<h2>Environment</h2>", core.VERSION,
        "/spec.lua --seed 4 --set diagnose=2 --set optimizer.lr=0.05</pre>")
      local _, strips = page:gsub("<title>steps ", "")
      assert.is_true(strips > 20)
    end)

    it("loads nothing", function()
      has(page, "default-src 'none'")
      for address in page:gmatch "https?://[%w%./]*" do
        assert.equal("", address)
      end
      for source in page:gmatch 'src="([^"]*)"' do
        assert.matches("^data:image/png;base64,", source)
      end
      lacks(page, "<script", "<link", "@import", "url(")
    end)

    it("has a confusion matrix that adds up to the test split, and says what the KPI says", function()
      local details = core.json_decode(ok("eval", "run", "--details"))
      local matrix = details.details.tasks[1].matrix
      assert.equal(20, matrix[1][1] + matrix[1][2] + matrix[2][1] + matrix[2][2])
      assert.near(details.tasks.left.kpi, (matrix[1][1] + matrix[2][2]) / 20, 1e-6)
      local right, wrong = 0, 0
      for i, x in ipairs(details.details.tasks[2].truth) do
        local d = (x - details.details.tasks[2].predicted[i]) ^ 2
        right, wrong = right + d, wrong + 1
      end
      assert.equal(20, wrong)
      assert.near(details.tasks.right.loss, right / wrong, 1e-3 * details.tasks.right.loss)
      assert.equal(8, #details.details.rows[1])
      assert.equal(4, #details.details.rows[1][1].inputs[1].numbers)
    end)

    it("is made again by mtl report, the same", function()
      assert.equal("again.html\n", ok("report", "run", "-o", "again.html"))
      assert.equal(page, read "again.html")
      assert.equal("run/report.html\n", ok("report", "run"))
      ok("report", "run", "--no-test", "--output", "again.html")
      local short = read "again.html"
      lacks(short, "confusion matrix")
      has(short, "left</b> loss", "0.")
    end)

    it("does without what is gone, and says so", function()
      ok("run", "spec.lua", "--out", "broken", "--quiet")
      write("broken/recipe/spec.lua", "error 'gone <b>for good</b>'")
      local result = mtl("report", "broken")
      assert.equal(0, result.status)
      assert.matches("warning: broken: the test split is left out: .*gone", result.err)
      local text = read "broken/report.html"
      has(text, "gone &lt;b&gt;for good&lt;/b&gt;", "left</b> loss")
      lacks(text, "confusion matrix")
    end)
  end)

  it("is there after a failure, without the figures of a test", function()
    write("spec.lua", program.recipe())
    local result = mtl("run", "spec.lua", "--out", "diverged", "--set", "optimizer.lr=1e30", "--quiet")
    assert.equal(2, result.status)
    local page = read "diverged/report.html"
    has(page, "diverged in step", "<b>left</b> loss")
    lacks(page, "confusion matrix")
  end)

  it("is there after ^C", function()
    write("spec.lua", program.recipe { { "when.epochs(2)", "when.epochs(100000)" } })
    local result = program.run(folder, { "300", "sh", "-c", [["$MTL_PROGRAM" run spec.lua --out cut --quiet & run=$!
      until grep -q step cut/metrics.jsonl 2>/dev/null; do sleep 0.1; done
      kill -INT $run; wait $run]] }, nil, "timeout")
    assert.equal(130, result.status, result.err)
    has(read "cut/report.html", "<b>left</b> loss", "step ")
  end)

  it("that cannot be written is a warning", function()
    write("spec.lua", program.recipe())
    ok("run", "spec.lua", "--out", "full", "--max-steps", "3", "--quiet")
    core.remove(folder .. "/full/report.html")
    core.mkdir(folder .. "/full/report.html/in-the-way")
    local result = mtl("run", "--resume", "full", "--max-steps", "6")
    assert.equal(0, result.status)
    assert.matches("warning: report.html was not written: .*report.html", result.err)
    assert.truthy(core.stat(folder .. "/full/summary.json"))
  end)

  it("shows pictures that the model reads", function()
    write("pictures.lua", program.recipe {
      { "local x = mtl.rand(200, 4)", "local x = mtl.rand(200, 1, 6, 6)" },
      { "x:select(2, 1)", "x:reshape(200, 36):select(2, 1)" },
      { "nn.linear(4, 8)", "nn.flatten(), nn.linear(36, 8)" } })
    ok("run", "pictures.lua", "--out", "pictures", "--quiet")
    local _, n = read("pictures/report.html"):gsub('src="data:image/png;base64,iVBORw0KGgo[%w+/]+=*"', "")
    assert.equal(8, n)
  end)

  it("shows outputs that are pictures, and classes beyond twenty by their confusions", function()
    write("dense.lua", [[
local mtl = require "mtl"
local nn, loss, kpi = mtl.nn, mtl.loss, mtl.kpi
local x = mtl.rand(60, 1, 9, 9)
local flat = x:reshape(60, 9, 9)
return mtl.recipe {
  data = mtl.data.tensors { inputs = x, batch = 7, targets = {
    seg = (flat * 2.999):cast "int32", mask = mtl.gt(flat, 0.5):cast "int32", depth = flat * 3,
    class = (flat:reshape(60, 81):mean(2) * 50):cast "int32" }, classes = { class = 50 } },
  trunk = nn.sequential { nn.conv2d(1, 4, 3, { padding = 1 }), nn.relu() },
  tasks = {
    { name = "seg", head = nn.conv2d(4, 3, 1), loss = loss.cross_entropy(), kpi = kpi.pixel_accuracy() },
    { name = "mask", head = nn.conv2d(4, 1, 1), loss = loss.binary_cross_entropy(), kpi = kpi.accuracy() },
    { name = "depth", head = nn.conv2d(4, 1, 1), loss = loss.mse(), kpi = kpi.r2() },
    { name = "class", head = nn.sequential { nn.flatten(), nn.linear(324, 50) }, loss = loss.cross_entropy(),
      kpi = kpi.accuracy() },
  },
  ends = mtl.when.epochs(1),
}]])
    ok("run", "dense.lua", "--out", "dense", "--quiet")
    local page = read "dense/report.html"
    lacks(page, "are not shown")
    local _, n = page:gsub('src="data:image/png;base64,iVBORw0KGgo', "")
    assert.equal((1 + 2 * 3) * 6, n) -- the input, truth and prediction of three tasks; six rows
    has(page, "<b>seg</b> confusion matrix", "<b>mask</b> confusion matrix",
      "<b>depth</b> prediction by truth, 486 of 486", "50 classes; the confusions that occur most:")
    local matrix = core.json_decode(ok("eval", "dense", "--details")).details.tasks[1].matrix
    local sum = 0
    for _, row in ipairs(matrix) do
      sum = sum + row[1] + row[2] + row[3]
    end
    assert.equal(6 * 81, sum)
  end)

  it("shows what people wrote as text", function()
    local evil = '<script>alert(1)</script><img src=x onerror="alert(2)">'
    fake("evil", 30, { title = evil, recipe = "--[[ </pre>" .. evil .. "\n\226\128\174 ]] return 1", stage = evil,
      tasks = { evil, "'\"&<i>" }, set = { { "name", "'" .. evil } }, data = { dir = "/x" .. evil },
      more = line { kind = "diverged", step = 31, message = evil } })
    local result = mtl("report", "evil")
    assert.equal(0, result.status)
    local page = read "evil/report.html"
    lacks(page, "<script", "<img", "onerror=\"alert", "<i>", "</pre>&lt;", "\226\128\174")
    has(page, "&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;/pre&gt;", "&amp;&lt;i&gt;")
    local _, opened = page:gsub("<pre>", "")
    local _, closed = page:gsub("</pre>", "")
    assert.equal(opened, closed)
  end)

  it("does not believe what a recipe prints in place of the figures", function()
    write("liar.lua", program.recipe())
    ok("run", "liar.lua", "--out", "liar", "--quiet")
    for _, said in ipairs { '{"tasks":{},"details":{"rows":[],"tasks":[{"name":"left","matrix":[[1],[2,3]]}]}}',
      '{"tasks":{},"details":{"rows":[[{"inputs":1}]],"tasks":[]}}', "{}" } do
      write("liar/recipe/liar.lua", "print '" .. said .. "' os.exit(0, true)")
      local result = mtl("report", "liar", "--trust")
      assert.equal(0, result.status)
      assert.matches("warning: liar: the test split is left out: its answer cannot be read", result.err)
    end
  end)

  it("shows what a test said as text, too", function()
    local page = require "mtl.report".page { setmetatable({ details = { rows = {}, tasks = {
      { name = "a", matrix = { { 1, 2 }, { 3, 4 } }, labels = { "<u>", '">' } } } } },
      { __index = require "mtl.report.read".run(folder .. "/" .. fake("labels", 3)) }) }
    lacks(page, "<u>")
    has(page, "&lt;u&gt;", 'title="truth &lt;u&gt;, prediction &quot;&gt;: 2, 66.7 % of this truth"')
  end)

  describe("of several runs", function()
    it("shows those with the same tasks in the same charts", function()
      fake("one", 30)
      fake("two", 40, { loss = function(step) return 2 / step end })
      local result = mtl("report", "one", "two", "-o", "both.html", "--no-test")
      assert.equal("both.html\n", result.out)
      local page = read "both.html"
      has(page, '<span class="mark c1">A</span> one', '<span class="mark c2">B</span> two', "A loss:", "B loss:",
        "A smoothed: 0.25", "--no-test")
      local _, charts = page:gsub("<b>a</b> loss", "")
      assert.equal(1, charts)
      local _, recipes = page:gsub("<h3>r.lua", "") -- the same text stands once
      assert.equal(1, recipes)
    end)

    it("has charts of every task, where they differ", function()
      fake("three", 30, { tasks = { "b", "c" }, stage = "other" })
      ok("report", "one", "three", "--no-test")
      local page = read "report.html"
      has(page, "<b>a</b> loss", "<b>b</b> loss", "<b>c</b> weight", "lane c1", "lane c2")
      local of_c = page:match "<b>c</b> loss.-</figure>"
      lacks(of_c, "A loss")
      has(of_c, "B loss")
    end)
  end)

  describe("of a long run", function()
    it("keeps the peaks", function()
      fake("long", 30000, { loss = function(step)
        return step == 12345 and 777.7 or step == 23456 and 0.001 or 1 + step % 7 / 10
      end })
      local groups = core.metrics_read(folder .. "/long/metrics.jsonl")
      local curve = groups[1].curves.tasks.a.loss
      assert.equal(30000, curve.n)
      assert.is_true(#curve.points < 2 * 4 * 1024)
      for _, columns in ipairs { 20, 260 } do
        local points, seen = chart.thin(curve.points, columns, 0, 30000), {}
        assert.is_true(#points <= 8 * (columns + 1))
        for i = 1, #points, 2 do
          seen[points[i]] = points[i + 1]
          assert.is_true(i == 1 or points[i] > points[i - 2])
        end
        assert.near(777.7, seen[12345], 1e-9)
        assert.near(0.001, seen[23456], 1e-12)
        assert.near(1.1, seen[1], 1e-9)
        assert.near(1.5, seen[30000], 1e-9)
      end
      mtl("report", "long", "--no-test")
      local page = read "long/report.html"
      has(page, "loss: 1 to 777.7", "loss: 0.001 to 1.6")
      assert.is_true(#page < 300000)
    end)

    it("reads numbers as a JSON reader does, and thins them to their extremes", function()
      local list, state = {}, 1
      for step = 1, 5000 do
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        list[step] = (state / 2 ^ 31 - 0.5) * 10 ^ (state % 40 - 20)
      end
      fake("numbers", 5000, { loss = function(step) return list[step] end })
      local curve = core.metrics_read(folder .. "/numbers/metrics.jsonl")[1].curves.tasks.a.loss
      local at, kept = {}, 0
      for i = 1, #curve.points, 2 do
        local step, value = math.tointeger(curve.points[i]), curve.points[i + 1]
        assert.near(list[step], value, 1e-14 * math.abs(list[step]))
        at[step], kept = true, kept + 1
      end
      for from = 0, 5000, curve.width do -- by hand: lowest, highest, first and last of every bucket
        local steps = {}
        for step = math.max(from, 1), math.min(from + curve.width - 1, 5000) do
          steps[#steps + 1] = step
        end
        table.sort(steps, function(a, b) return list[a] < list[b] end)
        assert.is_true(#steps == 0 or at[steps[1]] and at[steps[#steps]])
      end
      assert.equal(8, curve.width)
      assert.is_true(kept < 2600)
    end)
  end)

  it("breaks the line of a task where it rested, and where a value was not finite", function()
    fake("gaps", 9, { more = line { kind = "step", step = 10, loss = 1, tasks = { a = { loss = core.null } } }
      .. line { kind = "step", step = 11, loss = 1, tasks = { a = { loss = 2 } } }
      .. line { kind = "stage", step = 11, stage = "b alone", tasks = core.array { "b" } }
      .. line { kind = "step", step = 12, loss = 1, tasks = { b = { loss = 2 } } }
      .. line { kind = "stage", step = 12, stage = "both again", tasks = core.array { "a", "b" } }
      .. line { kind = "step", step = 13, loss = 1, tasks = { a = { loss = 3 }, b = { loss = 2 } } } })
    mtl("report", "gaps", "--no-test")
    local drawn = read("gaps/report.html"):match '<b>a</b> loss.-<path class="c1 " d="([^"]*)"'
    local _, strokes = drawn:gsub("M", "")
    assert.equal(3, strokes)
  end)

  describe("of a damaged run", function()
    local function refused(name, ...)
      local result = mtl("report", name, "--no-test")
      assert.equal(1, result.status)
      assert.matches("^mtl: [^\n]+\n$", result.err)
      has(result.err, ...)
      assert.falsy(core.stat(folder .. "/" .. name .. "/report.html"))
    end

    it("names the line", function()
      refused(fake("d1", 5, { more = "{]\n" }), "d1/metrics.jsonl is damaged: line 7: not valid JSON")
      refused(fake("d2", 5, { more = "nonsense\n" }), "line 7: not a JSON object")
      refused(fake("d3", 5, { more = '{"kind":"step","step":-1}\n' }), "line 7: its 'step' is not a whole number")
      refused(fake("d4", 5, { more = '{"step":3}\n' }), "line 7: it has no 'kind'")
      refused(fake("d5", 5, { more = '{"kind":"stage","step":3,"stage":"x","tasks":7}\n' }), "d5/metrics.jsonl is ",
        "stage.tasks")
      refused(fake("d6", 5, { more = ("["):rep(50) .. "\n" }), "line 7")
      local deep = ('{"a":'):rep(40) .. "1" .. ("}"):rep(41)
      refused(fake("d7", 5, { more = '{"kind":"step","step":6,"a":' .. deep .. "\n" }), "line 7: nested too deeply")
      refused(fake("d8", 5, { more = '{"kind":"step","step":6,"\\q":1}\n' }), "d8/metrics.jsonl is damaged")
    end)

    it("leaves out a last line that was not written to its end", function()
      ok("report", fake("half", 5, { more = '{"kind":"step","st' }), "--no-test")
      has(read "half/report.html", "<b>a</b> loss")
    end)

    it("never takes the program down", function()
      local whole = read(fake("fuzz", 12, { more = line { kind = "diagnose", step = 3, tasks = core.array { "a", "b" },
        norms = { a = 1, b = 2 }, cosines = core.array { core.array { 1, 0 }, core.array { 0, 1 } } } })
        .. "/metrics.jsonl")
      local state, path = 9, folder .. "/fuzz/metrics.jsonl"
      for _ = 1, 400 do
        local bytes = whole
        for _ = 1, 3 do
          state = state * 1103515245 + 12345 & 0x7FFFFFFF
          local at = state % #bytes + 1
          local new = ('{}[]",:0-9eE.\\\n\0nt'):sub(state // 7 % 19 + 1, state // 7 % 19 + 1)
          bytes = bytes:sub(1, at - 1) .. new .. bytes:sub(at + 1)
        end
        program.write(path, bytes)
        local good, message = pcall(require "mtl.report.read".run, folder .. "/fuzz")
        assert.is_true(good or message:find("metrics.jsonl is damaged", 1, true) ~= nil, tostring(message))
      end
    end)

    it("refuses what is no run", function()
      core.mkdir(folder .. "/empty")
      refused("empty", "'empty' is not a run")
      core.mkdir(folder .. "/pipe")
      fake("pipe", 1)
      core.remove(folder .. "/pipe/metrics.jsonl")
      os.execute("mkfifo '" .. folder .. "/pipe/metrics.jsonl'")
      refused("pipe", "metrics.jsonl is damaged: it is not a file")
    end)
  end)

  it("has pictures as base64", function()
    for plain, coded in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=",
      foobar = "Zm9vYmFy", ["\0\255\254"] = "AP/+" } do
      assert.equal(coded, thumbnail.base64(plain)) -- RFC 4648, section 10
    end
  end)
end)
