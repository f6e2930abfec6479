--- Bad input gets one clear message that names the thing, its status, and loses nothing.
local core = require "mtl.core"
local program = dofile "spec/support/program.lua"

local folder

-- Runs and expects a failure: one line on stderr that holds every text of `names`, and nothing of Lua's insides.
local function fails(status, arguments, names, before)
  local result = program.run(folder, arguments, before)
  assert.equal(status, result.status, result.err)
  local _, lines = result.err:gsub("\n", "")
  assert.equal(1, lines, result.err)
  assert.equal("mtl: ", result.err:sub(1, 5))
  for _, name in ipairs(names) do
    assert.truthy(result.err:find(name, 1, true), ("%q should say %q"):format(result.err, name))
  end
  for _, inside in ipairs { "traceback", "attempt to", "table: 0x", "mtl/" } do
    assert.falsy(result.err:find(inside, 1, true), result.err)
  end
  return result
end

local function write(name, text)
  program.write(folder .. "/" .. name, text)
end

local function recipe_fails(changes, names, status)
  write("recipe.lua", type(changes) == "string" and changes or program.recipe(changes))
  fails(status or 1, { "run", "recipe.lua", "--out", "never", "--quiet" }, names)
  assert.is_nil(core.stat(folder .. "/never"))
end

local function gzip(text)
  write("plain", text)
  os.execute(("gzip -c %s/plain > %s/packed"):format(folder, folder))
  return program.read(folder .. "/packed")
end

describe("bad input", function()
  before_each(function()
    folder = program.folder()
  end)
  after_each(function()
    program.remove(folder)
  end)

  describe("in a recipe", function()
    local cases = {
      { "a syntax error", "return mtl.recipe {\n  name = = 3\n}", { "recipe.lua:2", "'='" } },
      { "a comma that is missing, at the end of a line", { { "accuracy() },", "accuracy() } -- no comma\n\n" } },
        { "recipe.lua:16: ", "near '{'; is a comma missing before it, at the end of line 13?" } },
      { "a comma that is missing within a line", { { "loss = loss.mse(),", "loss = loss.mse()" } },
        { "recipe.lua:14: ", "near 'kpi'; is a comma missing before it?" } },
      { "a list of tasks with a nil in it", { { "  tasks = {", "  tasks = { nil," } },
        { "recipe.lua:", "tasks has nil in place 1, and more after it" } },
      { "an option with a nil in it", { { '{ "left", "right" }, policy', '{ "left", nil, "right" }, policy' } },
        { "stage 'both'", "tasks has nil in place 2, and more after it" } },
      { "layers with a nil among them", { { "nn.linear(4, 8),", "nn.linear(4, 8), nil," } }, { "nil" } },
      { "columns with a nil among them", 'local mtl = require "mtl"\nlocal d = mtl.data.csv { path = "x.csv", '
        .. 'inputs = { "a", nil, "c" }, targets = { b = "b" } }', { "recipe.lua:2: ", "inputs has nil in place 2" } },
      { "accuracy of a target that is a number", { { "kpi.r2()", "kpi.f1()" }, { "first * 2", "first * 2 + 5" } },
        { "task 'right'", "kpi.f1: targets from 5.", "for a target that is a number there are kpi.r2" } },
      { "no return", "local x = 1", { "recipe.lua", "nothing", "return mtl.recipe" } },
      { "a return of something else", "return 3", { "recipe.lua", "number", "return mtl.recipe" } },
      { "a runtime error", "local t = nil\nerror 'too bad'", { "recipe.lua:2", "too bad" } },
      { "an error that is a table", "error {}", { "recipe" } },
      { "an unknown key", { { "optimizer =", "optimiser =" } }, { "recipe.lua:", "optimiser", "'optimizer'" } },
      { "an unknown key of a task", { { "kpi = kpi.r2()", "kpi = kpi.r2(), los = 1" } }, { "los", "'loss'" } },
      { "an unknown key of a stage", { { "ends = when.epochs(1)", "end_ = when.epochs(1)" } }, { "end_", "'ends'" } },
      { "an unknown option", { { "gamma = 2", "gama = 2" } }, { "recipe.lua:19", "gama", "'gamma'" } },
      { "a misspelt KPI", { { "kpi.accuracy", "kpi.acuracy" } }, { "recipe.lua:13", "acuracy", "'accuracy'" } },
      { "a misspelt policy", { { "policy.focal", "policy.vocal" } }, { "recipe.lua:19", "vocal", "'focal'" } },
      { "a misspelt layer", { { "nn.tanh", "nn.tahn" } }, { "recipe.lua:11", "tahn", "'tanh'" } },
      { "a misspelt loss", { { "loss.mse", "loss.mss" } }, { "recipe.lua:14", "mss", "'mse'" } },
      { "a task without a loss", { { "loss = loss.mse(), ", "" } }, { "right", "loss" } },
      { "two tasks of one name", { { 'name = "right"', 'name = "left"' } }, { "'left'", "tasks 1 and 2" } },
      { "a head that does not fit its loss", { { "nn.linear(8, 2)", "nn.linear(8, 3)" } }, { "left", "3", "2" } },
      { "layers that do not fit", { { "nn.linear(8, 2)", "nn.linear(7, 2)" } },
        { "left", "in_features is 7, but a sample has shape [8]: it should be 8, or left out (nil)" } },
      { "a stage that names no such task", { { 'tasks = { "left", "right" }', 'tasks = { "left", "rihgt" }' } },
        { "both", "rihgt", "'right'" } },
      { "a stage that may never end", { { "when.epochs(2)", 'when.kpi("left", 0.9)' } }, { "both", "end" } },
      { "a stage that reads no such task", { { "when.epochs(2)", 'when.kpi("rigth", 0.9) | when.epochs(3)' } },
        { "both", "rigth" } },
      { "a stage that freezes what is not there", { { "when.epochs(2)", 'when.epochs(2), freeze = "trunc"' } },
        { "recipe.lua:19", "stage 'both': freeze: no parameter lies below 'trunc'", "did you mean 'trunk'?" } },
      { "a stage that freezes all that its task would train", { { "ends = when.epochs(1)",
        'ends = when.epochs(1), freeze = { "trunk", "heads.left" }' } },
        { "recipe.lua:18: stage 'left first': freeze leaves nothing to train for its tasks" } },
      { "a negative learning rate", { { "lr = 0.1", "lr = -0.1" } }, { "recipe.lua:16", "lr", "-0.1" } },
      { "a negative gamma", { { "gamma = 2", "gamma = -2" } }, { "recipe.lua:19", "gamma", "-2" } },
      { "a negative size", { { "nn.linear(4, 8)", "nn.linear(4, -8)" } }, { "-8" } },
      { "a negative batch", { { "batch = 20", "batch = -20" } }, { "batch", "-20" } },
      { "no target of that name", { { "right = first", "rigth = first" } }, { "right", "rigth" } },
      { "a file that it may not read", "return io.open('/etc/passwd')", { "io.open", "--trust" } },
    }
    for _, case in ipairs(cases) do
      it(case[1], function()
        recipe_fails(case[2], case[3])
      end)
    end

    it("a layer of 10^15 inputs", function()
      recipe_fails({ { "nn.linear(4, 8)", "nn.linear(1000000000000000, 8)" } }, { "trunk.0", "1000000000000000" })
      recipe_fails({ { "nn.linear(4, 8)", "nn.linear(4, 1000000000000000), nn.linear(nil, 8)" } },
        { "trunk.1.weight" }, 2)
    end)

    it("that is not there, or is a folder", function()
      fails(1, { "run", "nowhere.lua" }, { "nowhere.lua" })
      core.mkdir(folder .. "/sub")
      fails(1, { "run", "sub" }, { "sub", "folder" })
    end)

    it("--set of what is not there, or cannot be", function()
      write("recipe.lua", program.recipe())
      local function set(value, names)
        fails(1, { "run", "recipe.lua", "--set", value, "--out", "never" }, names)
        assert.is_nil(core.stat(folder .. "/never"))
      end
      set("stages.2.policy.gama=1", { "gama", "gamma" })
      set("stages.3.policy.gamma=1", { "stages.3" })
      set("stages.2.policy.gamma=-1", { "gamma", "-1" })
      set("tasks.lft.loss.smoothing=0.1", { "lft", "left" })
      set("nonsense", { "--set", "path=value" })
    end)
  end)

  describe("in data", function()
    local table_of = { { [[mtl.data.tensors {
    inputs = x, targets = { left = mtl.gt(first, 0.5):cast "int32", right = first * 2 }, batch = 20,
  }]], [[mtl.data.csv {
    path = "data.csv", inputs = { "a", "b" }, targets = { left = "c", right = "d" }, batch = 5,
  }]] },
      { "nn.linear(4, 8)", "nn.linear(nil, 8)" } }

    local function rows(n)
      local lines = { "a,b,c,d" }
      for i = 1, n do
        lines[i + 1] = ("%d,%d,%s,%g"):format(i, n - i, i % 2 == 0 and "even" or "odd", i / n)
      end
      return table.concat(lines, "\n") .. "\n"
    end

    it("is a table that trains when nothing is wrong", function()
      write("recipe.lua", program.recipe(table_of))
      write("data.csv", rows(60))
      assert.equal(0, program.run(folder, { "run", "recipe.lua", "--quiet", "--out", "fine" }).status)
    end)

    it("a missing file", function()
      recipe_fails(table_of, { "data.csv", "No such file" })
    end)

    it("an empty file", function()
      write("data.csv", "")
      recipe_fails(table_of, { "data.csv", "empty" })
    end)

    it("a header and no rows", function()
      write("data.csv", "a,b,c,d\n")
      recipe_fails(table_of, { "data.csv", "rows" })
    end)

    it("a row that is cut", function()
      write("data.csv", rows(20) .. "21,")
      recipe_fails(table_of, { "data.csv", "data.csv:22" })
    end)

    it("a column that is not there", function()
      write("data.csv", (rows(20):gsub("d\n", "e\n", 1)))
      recipe_fails(table_of, { "'d'" })
    end)

    it("a gzipped file that is truncated", function()
      write("data.csv", gzip(rows(2000)):sub(1, 3000))
      recipe_fails(table_of, { "data.csv" })
    end)

    it("a file that is no table", function()
      write("data.csv", ("\0\1\2\255"):rep(500))
      recipe_fails(table_of, { "data.csv" })
    end)

    it("a link out of the recipe's folder", function()
      os.execute(("ln -s /etc/passwd %s/data.csv"):format(folder))
      recipe_fails(table_of, { "data.csv", "/etc/passwd", "--data" })
    end)

    local images = { { [[mtl.data.tensors {
    inputs = x, targets = { left = mtl.gt(first, 0.5):cast "int32", right = first * 2 }, batch = 20,
  }]], [[mtl.data.idx {
    train = { input = "images", left = "labels" }, split = { 0.8, 0.2 }, classes = { left = 2 },
  }]] },
      { "nn.linear(4, 8)", "nn.flatten(), nn.linear(nil, 8)" },
      { [[    { name = "right", head = nn.linear(8, 1), loss = loss.mse(), kpi = kpi.r2() },
]], "" }, { [[
    { name = "both", tasks = { "left", "right" }, policy = policy.focal { gamma = 2 }, ends = when.epochs(2) },
]], "" } }

    local function idx(kind, shape, bytes)
      local head = { ("\0\0%c%c"):format(kind, #shape) }
      for i, n in ipairs(shape) do
        head[i + 1] = (">I4"):pack(n)
      end
      return table.concat(head) .. bytes
    end

    it("is images that train when nothing is wrong", function()
      write("recipe.lua", program.recipe(images))
      write("images", idx(8, { 40, 3, 3 }, ("\5"):rep(360)))
      write("labels", idx(8, { 40 }, ("\0\1"):rep(20)))
      local result = program.run(folder, { "run", "recipe.lua", "--quiet", "--out", "fine" })
      assert.equal("", result.err)
      assert.equal(0, result.status)
    end)

    it("truncated images", function()
      write("images", idx(8, { 40, 3, 3 }, ("\5"):rep(300)))
      write("labels", idx(8, { 40 }, ("\0\1"):rep(20)))
      recipe_fails(images, { "images" })
    end)

    it("a file of another kind", function()
      write("images", "hello, this is no picture")
      write("labels", idx(8, { 40 }, ("\0\1"):rep(20)))
      recipe_fails(images, { "images" })
    end)

    it("another number of labels", function()
      write("images", idx(8, { 40, 3, 3 }, ("\5"):rep(360)))
      write("labels", idx(8, { 39 }, ("\0"):rep(39)))
      recipe_fails(images, { "labels", "39", "40" })
    end)

    it("labels out of range", function()
      write("images", idx(8, { 40, 3, 3 }, ("\5"):rep(360)))
      write("labels", idx(8, { 40 }, ("\0\7"):rep(20)))
      recipe_fails(images, { "left", "7", "2 classes" })
      recipe_fails({ { "left = mtl.gt(first, 0.5):cast \"int32\"", "left = (first * 9):cast \"int32\"" } },
        { "left", "2", "9" })
    end)

    it("--data that is not there", function()
      write("recipe.lua", program.recipe())
      fails(1, { "run", "recipe.lua", "--data", "nowhere" }, { "--data", "nowhere" })
    end)
  end)

  describe("while training", function()
    local function step_of(run)
      return core.json_decode(core.safetensors_read(run .. "/checkpoint.safetensors"):meta "mtl").at.step
    end

    it("a loss that turns NaN: the last good checkpoint is kept", function()
      write("recipe.lua", program.recipe {
        { 'name = "both",', 'name = "both", optimizer = optim.sgd { lr = 1e30 },' } })
      fails(2, { "run", "recipe.lua", "--out", "run", "--quiet" }, { "task '", "step 1", "checkpoint of step 8" })
      assert.equal(8, step_of(folder .. "/run"))
      assert.equal(0, program.run(folder, { "eval", "run" }).status)
    end)

    it("an --out that exists", function()
      write("recipe.lua", program.recipe())
      core.mkdir(folder .. "/run")
      write("run/kept", "mine")
      fails(1, { "run", "recipe.lua", "--out", "run" }, { "'run' exists", "--resume" })
      assert.same({ "kept" }, core.listdir(folder .. "/run"))
    end)

    it("an --out that cannot be written", function()
      write("recipe.lua", program.recipe())
      write("file", "mine")
      local result = program.run(folder, { "run", "recipe.lua", "--out", "file/run", "--quiet" })
      assert.truthy(result.status == 1 or result.status == 2)
      assert.truthy(result.err:find("file", 1, true))
      assert.truthy(result.err:find("Not a directory", 1, true), result.err)
      assert.equal("mine", program.read(folder .. "/file"))
    end)

    local function stopped_run()
      write("recipe.lua", program.recipe())
      local result = program.run(folder, { "run", "recipe.lua", "--out", "run", "--max-steps", "10", "--quiet" })
      assert.equal("", result.err)
      return program.read(folder .. "/run/checkpoint.safetensors")
    end

    it("a file that may not grow: status 2, the old checkpoint intact", function()
      local before = stopped_run()
      fails(2, { "run", "--resume", "run", "--quiet" }, { "run/", "File too large" }, "ulimit -f 2;")
      assert.equal(before, program.read(folder .. "/run/checkpoint.safetensors"))
      assert.equal(0, program.run(folder, { "run", "--resume", "run", "--quiet" }).status)
    end)

    it("a full disk: status 2, the old checkpoint intact", function()
      local disk = folder .. "/run"
      core.mkdir(disk)
      if not os.execute(("mount -t tmpfs -o size=256k tmpfs %s 2>/dev/null"):format(disk)) then
        return -- only root may mount; the limit above stands for it
      end
      finally(function()
        os.execute("umount -l " .. disk)
      end)
      write("recipe.lua", program.recipe())
      local first = program.run(folder, { "run", "recipe.lua", "--out", "run/one", "--quiet", "--max-steps", "10" })
      assert.equal("", first.err)
      local before = program.read(disk .. "/one/checkpoint.safetensors")
      os.execute(("dd if=/dev/zero of=%s/filler bs=4k 2>/dev/null"):format(disk))
      fails(2, { "run", "--resume", "run/one", "--quiet" }, { "run/one", "No space left" })
      assert.equal(before, program.read(disk .. "/one/checkpoint.safetensors"))
      core.remove(disk .. "/filler")
      assert.equal(0, program.run(folder, { "run", "--resume", "run/one", "--quiet" }).status)
    end)
  end)

  it("a run that is none, or is damaged", function()
    fails(1, { "eval", "nowhere" }, { "nowhere" })
    fails(1, { "run", "--resume", "nowhere" }, { "nowhere" })
    core.mkdir(folder .. "/odd")
    write("odd/run.json", "{")
    fails(1, { "eval", "odd" }, { "odd/run.json", "damaged" })
  end)
end)
