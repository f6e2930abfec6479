local core = require "mtl.core"
local data_support = dofile "spec/support/data.lua"
local program = dofile "spec/support/program.lua"

local folder

local function mtl(...)
  return program.run(folder.path, { ... })
end

local function ok(...)
  local result = mtl(...)
  assert.equal("", result.err)
  assert.equal(0, result.status)
  return result.out
end

local function wrong(arguments, ...)
  local result = program.run(folder.path, arguments)
  assert.equal(1, result.status, result.err)
  assert.truthy(result.err:match "^mtl: [^\n]+\n$", result.err)
  for _, text in ipairs { ... } do
    assert.truthy(result.err:find(text, 1, true), ("%q should say %q"):format(result.err, text))
  end
end

local function lines(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do
    list[#list + 1] = line
  end
  return list
end

-- 300 rows of a, b and a color; the grade follows from a, sold from b, price is 10 a + 100, visits are counts.
local function write_table()
  local rows, u = { "a,b,color,grade,sold,price,visits" }, core.uniform_(core.zeros(300, 3), 1, "spec/p"):totable()
  for i, r in ipairs(u) do
    rows[i + 1] = ("%.3f,%.3f,%s,%s,%d,%.3f,%d"):format(r[1], r[2], r[3] > 0.5 and "red" or "blue",
      r[1] > 0.6 and "good" or r[1] > 0.3 and '"so, so"' or "bad", r[2] > 0.5 and 1 or 0, 10 * r[1] + 100,
      math.floor(3 * r[1]))
  end
  folder.write("rows.csv", table.concat(rows, "\n") .. "\n")
end

local recipe = [[
local mtl = require "mtl"
local nn, loss = mtl.nn, mtl.loss
return mtl.recipe {
  name = "rows",
  data = mtl.data.csv { path = "rows.csv", inputs = { "a", "b", "color" }, targets = {
    grade = "grade", sold = "sold", price = { column = "price", normalize = true }, visits = "visits" } },
  trunk = nn.sequential { nn.linear(nil, 16), nn.tanh() },
  tasks = {
    { name = "grade", head = nn.linear(16, 3), loss = loss.cross_entropy(), kpi = mtl.kpi.accuracy() },
    { name = "sold", head = nn.linear(16, 1), loss = loss.binary_cross_entropy(), kpi = mtl.kpi.roc_auc() },
    { name = "price", head = nn.linear(16, 1), loss = loss.mse(), kpi = mtl.kpi.r2() },
    { name = "visits", head = nn.linear(16, 1), loss = loss.poisson(), kpi = mtl.kpi.r2() },
  },
  optimizer = mtl.optim.adam { lr = 2e-2 },
  ends = mtl.when.epochs(30),
}
]]

local new = "b,color,a\n0.9,red,0.95\n0.1,blue,0.05\n0.2,green,0.45\n"

describe("mtl predict", function()
  setup(function()
    folder = data_support.folder()
    write_table()
    folder.write("recipe.lua", recipe)
    folder.write("new.csv", new)
    ok("run", "recipe.lua", "--out", "one", "--quiet")
    for _, file in ipairs { "rows.csv", "recipe.lua", "one/recipe/recipe.lua" } do
      core.remove(folder.path .. "/" .. file) -- neither the data nor the recipe are needed
    end
  end)
  teardown(function()
    data_support.remove(folder.path)
  end)

  it("prints a table", function()
    local rows = lines(ok("predict", "one", "new.csv"))
    assert.equal(4, #rows)
    assert.matches("^input +grade +grade_p +sold +sold_p +price +visits$", rows[1])
    assert.matches("^new.csv:2  good +0%.%d+ +1 +0%.%d+ +1%d%d%.?%d* +[%d.]+$", rows[2])
    assert.matches("^new.csv:3  bad +0%.%d+ +0 +0%.%d+ +1%d%d%.?%d* +[%d.]+$", rows[3])
  end)

  it("prints CSV", function()
    local rows = lines(ok("predict", "one", "new.csv", "--csv"))
    assert.equal("input,grade,grade_p,sold,sold_p,price,visits", rows[1])
    local label, p, sold, sold_p, price, visits =
      rows[2]:match '^new.csv:2,(%w+),([%d.]+),(%d),([%d.]+),([%d.]+),([%d.]+)$'
    assert.equal("good", label)
    assert.is_true(tonumber(p) > 0.5 and tonumber(sold_p) > 0.5)
    assert.equal("1", sold)
    assert.near(109.5, tonumber(price), 1.5)
    assert.near(2, tonumber(visits), 0.8)
    assert.matches('^new.csv:4,"so, so",', rows[4])
    assert.equal("input,price", lines(ok("predict", "one", "new.csv", "--csv", "--tasks", "price"))[1])
  end)

  it("prints JSON, a line a row, with every probability", function()
    local rows = lines(ok("predict", "one", "new.csv", "new.csv", "--json"))
    assert.equal(6, #rows)
    local first, second = core.json_decode(rows[1]), core.json_decode(rows[2])
    assert.equal("new.csv:2", first.input)
    assert.equal("good", first.grade.label)
    assert.near(1, first.grade.p.good + first.grade.p["so, so"] + first.grade.p.bad, 1e-6)
    assert.near(1, second.sold.p["0"] + second.sold.p["1"], 1e-6)
    assert.equal("0", second.sold.label)
    assert.near(100.5, second.price, 1.5)
    assert.equal(rows[1], rows[4])
  end)

  it("copies columns of the input", function()
    folder.write("ids.csv", 'id,b,color,a,price\n007,0.9,red,0.95,"1,5"\n,0.1,blue,0.05,2\n')
    local rows = lines(ok("predict", "one", "ids.csv", "new.csv", "--csv", "--keep", "a", "--tasks", "price"))
    assert.equal("input,a,price", rows[1])
    assert.matches("^ids.csv:3,0.05,%d", rows[3])
    assert.matches("^new.csv:2,0.95,%d", rows[4])
    rows = lines(ok("predict", "one", "ids.csv", "--csv", "--keep", "id,price", "--tasks", "price"))
    assert.equal("input,id,input.price,price", rows[1]) -- a target may be among the columns
    assert.matches('^ids.csv:2,007,"1,5",1%d%d', rows[2])
    assert.matches("^ids.csv:3,,2,1%d%d", rows[3])
    local first = core.json_decode(lines(ok("predict", "one", "ids.csv", "--json", "--keep", "id,price"))[1])
    assert.same({ "007", "1,5", "number" }, { first.id, first["input.price"], type(first.price) })
    assert.matches("^input +id +grade", ok("predict", "one", "ids.csv", "--keep", "id"))
    assert.equal("input,id,a,price", lines(ok("predict", "one", "ids.csv", "--csv", "--keep", " id, a", "--tasks",
      " price,"))[1])
    wrong({ "predict", "one", "ids.csv", "--keep", "idd" }, "ids.csv: there is no column 'idd' (did you mean 'id'?)")
  end)

  it("copies numbers as they are written", function()
    local ids = { "1.0", "1", "01", "1234567890123456781", "1234567890123456782", " 7 ", "" }
    folder.write("ids.csv", "id,b,color,a\n" .. table.concat(ids, ",0.9,red,0.95\n") .. ",0.9,red,0.95\n")
    local rows = lines(ok("predict", "one", "ids.csv", "--csv", "--keep", "id", "--tasks", "price"))
    for i, id in ipairs(ids) do
      assert.equal(id, rows[i + 1]:match "^[^,]*,([^,]*),")
    end
  end)

  it("shows large numbers in plain digits", function()
    local plain = require "mtl.cli.text".plain
    assert.same({ "178240", "-178240", "100000", "99999", "1.2346", "1e-09", "1e+12", "0" }, { plain(178240.2, 5),
      plain(-178240.2, 5), plain(99999.7, 5), plain(99999.3, 5), plain(1.23456, 5), plain(1e-9, 5), plain(1e12, 5),
      plain(0, 5) })
  end)

  it("says which tasks were never trained", function()
    folder.write("staged.lua", (recipe:gsub("ends = mtl.when.epochs%(30%)", [[stages = {
      { tasks = { "grade" }, ends = mtl.when.epochs(1) },
      { tasks = { "grade", "sold", "price" }, policy = mtl.policy.uniform(), ends = mtl.when.epochs(1) },
      { tasks = { "visits" }, ends = mtl.when.epochs(1) } }]])))
    write_table()
    ok("run", "staged.lua", "--out", "early", "--quiet", "--max-steps", "2")
    core.remove(folder.path .. "/rows.csv")
    local result = mtl("predict", "early", "new.csv", "--csv")
    assert.equal("mtl: note: never trained, so left out: sold, price, visits\n", result.err)
    assert.equal("input,grade,grade_p", lines(result.out)[1])
    assert.equal("mtl: note: never trained, so these are answers of initial weights: price\n",
      mtl("predict", "early", "new.csv", "--csv", "--tasks", "grade,price").err)
    ok("predict", "early", "new.csv", "--tasks", "grade")
  end)

  it("does what run:predict does, in batches of any size", function()
    local run = require "mtl.run".load(folder.path .. "/one")
    local x = core.uniform_(core.zeros(150, 4), 3, "spec/p")
    local all, part = run:predict(x), run:predict(x:slice(1, 3, 4))
    assert.same({ 150, 3 }, all.grade:shape())
    for name, output in pairs(all) do
      assert.same(output:slice(1, 3, 4):totable(), part[name]:totable())
    end
    assert.is_true(all.sold:min():item() >= 0 and all.sold:max():item() <= 1 and all.visits:min():item() > 0)
    assert.error_matches(function() run:predict(3) end, "tensors by the names of the model's inputs: input")
    assert.error_matches(function() run:evaluate() end, "recipe.lua")
  end)

  it("says what is wrong", function()
    folder.write("short.csv", "a,b\n1,2\n")
    wrong({ "predict", "one", "short.csv" }, "short.csv", "color")
    wrong({ "predict", "one", "nowhere.csv" }, "nowhere.csv")
    wrong({ "predict", "one" }, "FILE is missing")
    wrong({ "predict", "two", "new.csv" }, "'two': no such folder; mtl runs lists runs")
    wrong({ "predict", "one", "new.csv", "--tasks", "prise" }, "did you mean 'price'")
    wrong({ "predict", "one", "new.csv", "--csv", "--json" }, "--csv")
  end)
end)

describe("mtl predict --png", function()
  setup(function()
    folder = data_support.folder()
  end)
  teardown(function()
    data_support.remove(folder.path)
  end)

  it("writes pictures of dense outputs", function()
    for i = 1, 12 do
      local function bright(_, y, x) return (x + y + i) % 8 < 4 and 250 or 5 end
      folder.png(("photos/%02d.png"):format(i), 1, 8, 8, bright)
      folder.png(("seg/%02d.png"):format(i), 1, 8, 8, function(...) return bright(...) > 100 and 1 or 0 end)
      folder.png(("depth/%02d.png"):format(i), 1, 8, 8, function(...) return bright(...) > 100 and 3000 or 1000 end, 16)
      folder.png(("normals/%02d.png"):format(i), 3, 8, 8, function(c) return c == 2 and 255 or 128 end)
    end
    folder.write("recipe.lua", [[
local mtl = require "mtl"
local nn, loss = mtl.nn, mtl.loss
return mtl.recipe {
  data = mtl.data.images { dir = "photos", batch = 4, targets = {
    seg = { dir = "seg", kind = "labels", classes = 2, levels = { "dark", "bright" } },
    depth = { dir = "depth", kind = "depth", scale = 0.001 }, normals = { dir = "normals", kind = "normals" } } },
  trunk = nn.sequential { nn.conv2d(1, 8, 1), nn.tanh() },
  tasks = {
    { name = "seg", head = nn.conv2d(8, 2, 1), loss = loss.cross_entropy(), kpi = mtl.kpi.accuracy() },
    { name = "depth", head = nn.conv2d(8, 1, 1), loss = loss.l1(), kpi = mtl.kpi.r2() },
    { name = "normals", head = nn.conv2d(8, 3, 1), loss = loss.cosine(), kpi = mtl.kpi.angle_within() },
  },
  optimizer = mtl.optim.adam { lr = 0.05 }, ends = mtl.when.steps(150),
}
]])
    ok("run", "recipe.lua", "--out", "one", "--quiet")
    wrong({ "predict", "one", "photos/01.png" }, "'seg' is a picture", "--png DIR")
    wrong({ "predict", "one", "photos/01.png", "--png", "out", "--keep", "id" }, "--keep copies columns of tables")
    local rows = lines(ok("predict", "one", "photos/01.png", "photos/02.png", "--png", "out", "--json"))
    local first = core.json_decode(rows[1])
    assert.equal("out/01.seg.png", first.seg.file)
    assert.is_true(core.png_read(folder.path .. "/out/01.seg.png"):bytes()
      == core.png_read(folder.path .. "/seg/01.png"):bytes())
    assert.near(1, first.depth.low, 0.3)
    assert.near(3, first.depth.high, 0.3)
    local depth = core.png_read(folder.path .. "/out/02.depth.png", "gray16")
    assert.same({ 1, 8, 8 }, depth:shape())
    assert.equal(0, depth:min():item())
    assert.equal(65535, depth:max():item())
    local normals = core.png_read(folder.path .. "/out/02.normals.png")
    assert.same({ 3, 8, 8 }, normals:shape())
    assert.is_true(normals[3]:cast("float32"):min():item() > 240)
    wrong({ "predict", "one", "photos/01.png", "photos/../photos/01.png", "--png", "out" }, "would both be written to")
    local table_rows = lines(ok("predict", "one", "photos/03.png", "--png", "out"))
    assert.matches("^input +seg +depth +depth_low +depth_high +normals$", table_rows[1])
  end)
end)

describe("predictions", function()
  setup(function() folder = data_support.folder() end)
  teardown(function() data_support.remove(folder.path) end)

  local lib = require "mtl"

  -- Trains for an epoch; returns the run, and what its model gives for the training rows as the loader reads them.
  local function train(data, trunk)
    local declared = lib.recipe { data = data, trunk = trunk, ends = lib.when.epochs(1), tasks = {
      { name = "y", head = lib.nn.linear(nil, 1), loss = lib.loss.poisson(), kpi = lib.kpi.r2(),
        metrics = { lib.metric.abs_error() } } } }
    local out = os.tmpname():match "[^/]*$"
    local _, t = require "mtl.trainer".train(declared, { out = folder.path .. "/" .. out, folder = folder.path })
    local run = require "mtl.run".load(folder.path .. "/" .. out)
    local p, loader = require "mtl.run".predictor(run), t.sources[1].set:loader "train"
    loader:start(false, 0, 0, 0)
    local batch = loader:next()
    return run, core.no_grad(p.batch, p, t.sources[1]:pick(batch), 1)[1]:reshape(-1), batch[2], t
  end

  local function sorted(t)
    local list = t:reshape(-1):totable()
    table.sort(list)
    return list
  end

  it("read uint8 pixels as training did: mean, std and transforms, joined sets too", function()
    local x = (lib.rand(12, 3, 8, 8) * 255):cast "uint8"
    folder.npy("x.npy", x)
    folder.npy("y.npy", lib.rand(12) * 5)
    local function data()
      return lib.data.npy { inputs = "x.npy", targets = { y = "y.npy" }, split = { 1 }, normalize = true,
        transforms = { lib.transform.resize(7), lib.transform.random_crop(5) } }
    end
    local run, want = train(data(), lib.nn.flatten())
    assert.same(sorted(want), sorted(run:predict(x).y))
    run, want = train(lib.data.join { data(), data() }, lib.nn.flatten())
    assert.same(sorted(want), sorted(run:predict(core.cat({ x, x }, 1)).y))
  end)

  it("read a file of one number a row", function()
    folder.npy("one.npy", lib.rand(12))
    folder.npy("y.npy", lib.rand(12) * 5)
    local run, want = train(lib.data.npy { inputs = "one.npy", targets = { y = "y.npy" }, split = { 1 } },
      lib.nn.linear(1, 4))
    local kept = run and core.json_decode(core.safetensors_read(run.out .. "/checkpoint.safetensors"):meta "mtl")
      .sources[1]
    local x = require "mtl.data.inputs".read(kept.kind, kept.state, kept, { "one.npy" }, folder.at.path)
    assert.same({ 12, 1 }, x[1]:shape())
    assert.same(sorted(want), sorted(run:predict(x[1]).y))
  end)

  it("are what KPIs and metrics see: rates of counts, not their logarithms", function()
    local x = lib.rand(12, 2)
    local _, rates, target, t = train(lib.data.tensors { inputs = x, targets = { y = lib.rand(12) * 5 },
      split = { 1 } }, lib.nn.linear(2, 4))
    local result = require "mtl.evaluate".run(t, "train", { 1 })
    assert.near((rates - target):abs():mean():item(), result.y.metrics.abs_error, 1e-5)
  end)

  it("of damaged checkpoints are refused in one line", function()
    local run = train(lib.data.tensors { inputs = lib.rand(12, 2), targets = { y = lib.rand(12) }, split = { 1 } },
      lib.nn.linear(2, 4))
    local file, name = run.out .. "/checkpoint.safetensors", run.out:match "[^/]*$"
    folder.npy("new.npy", lib.rand(3, 2))
    local bytes = program.read(file)
    local size = string.unpack("<I8", bytes)
    local header, rest = core.json_decode(bytes:sub(9, 8 + size)), bytes:sub(9 + size)
    for _, change in ipairs {
      function(info) info.passes = true end, function(info) info.at.seen = 3 end,
      function(info) info.sources[1].batch = 0 end, function(info) info.sources[1].state = core.array { 1 } end,
      function(info) info.tasks[1].description.kind = "class" end, function(info) info.tasks = {} end,
      function(info) info.format = 99 end, function(info) info.sources[1].inputs = core.array { 1 } end,
    } do
      local info = core.json_decode(header.__metadata__.mtl)
      change(info)
      local text = core.json_encode { __metadata__ = { mtl = core.json_encode(info) } }
      for key, value in pairs(header) do
        if key ~= "__metadata__" then
          text = text:sub(1, -2) .. ("," .. core.json_encode { [key] = value }:sub(2))
        end
      end
      program.write(file, string.pack("<I8", #text) .. text .. rest)
      local result = program.run(folder.path, { "predict", name, "new.npy" })
      if result.status ~= 0 then
        assert.equal(1, result.status)
        assert.matches("^mtl: [^\n]+\n$", result.err)
        assert.is_nil(result.err:find "%.lua:%d")
      end
    end
  end)
end)
