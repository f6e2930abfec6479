--- The wall that the kernel keeps around a recipe (core.wall), the cap on memory, and what run.json says of them.
local core = require "mtl.core"
local program = dofile "spec/support/program.lua"
local training = dofile "spec/support/training.lua"

describe("the wall", function()
  local folder

  before_each(function()
    folder = core.realpath(program.folder())
    program.write(folder .. "/recipe.lua", program.recipe())
  end)
  after_each(function() program.remove(folder) end)

  local function sandbox_of(run)
    return core.json_decode(program.read(folder .. "/" .. run .. "/run.json")).sandbox
  end

  -- What a script of `mtl lua` prints that has put up a wall with `folder`/in open.
  local function behind(exec, body)
    core.mkdir(folder .. "/in")
    program.write(folder .. "/script.lua", ([[
      local core = require "mtl.core"
      local files, calls = core.wall({ "in" }, {}, %s)
      if files or calls then print("MISSING", files, calls) os.exit(0) end
      %s]]):format(exec, body))
    local result = program.run(folder, { "lua", "script.lua" })
    assert.equal("", result.err)
    if result.out:find "MISSING" then
      pending(result.out)
    end
    return result.out
  end

  it("lets files be changed in its folders only", function()
    program.write(folder .. "/kept", "kept")
    assert.equal("in: yes\nout: no\nremove: no\nrename: no\ntruncate: no\nlink: no\nread: yes\n", behind("false", [[
      local function try(what, ok) print(what .. ": " .. (ok and "yes" or "no")) end
      try("in", io.open("in/x", "w"))
      try("out", io.open("x", "w"))
      try("remove", os.remove "kept")
      try("rename", os.rename("kept", "in/kept"))
      try("truncate", pcall(core.truncate, "kept", 0))
      try("link", io.open("/proc/self/comm", "w"))
      try("read", io.open "kept")]]))
    assert.equal("kept", program.read(folder .. "/kept"))
  end)

  it("stands around a bundle that is unpacked and trained, with its events", function()
    assert.equal("", program.run(folder, { "pack", "recipe.lua", "-o", "r.mtl", "--quiet" }).err)
    assert.equal("", program.run(folder, { "run", "r.mtl", "--out", "below/run", "--tensorboard", "events",
      "--quiet" }).err)
    local said = sandbox_of "below/run"
    assert.is_false(said.trust)
    assert.is_false(said.programs)
    assert.same({ "run" }, core.listdir(folder .. "/below"))
    assert.equal(1, #core.listdir(folder .. "/events/run"))
    assert.is_not_nil(core.stat(folder .. "/below/run/report.html"))
  end)

  it("starts no programs, in no thread", function()
    assert.equal("no\n", behind("false", [[core.rand(1000, 1000):matmul(core.rand(1000, 1000))
      print(os.execute "true" and "yes" or "no")]]))
  end)

  it("opens no connections, for programs that it lets start too", function()
    assert.equal("started\n", behind("true", [[io.stdout:write(io.popen("echo started; " ..
      "bash -c '{ exec 3<>/dev/udp/127.0.0.1/9 && echo connected; echo x >out; } 2>in/why'"):read "a")]]))
    assert.matches("ermission denied", program.read(folder .. "/in/why"))
    assert.is_nil(core.stat(folder .. "/out"))
  end)

  it("stands around mtl run, and run.json says so", function()
    assert.equal(0, program.run(folder, { "run", "recipe.lua", "--out", "one", "--quiet" }).status)
    local said = sandbox_of "one"
    assert.is_false(said.trust)
    assert.is_false(said.programs)
    assert.is_string(said.files)
    assert.is_true(said.memory > 0)
    assert.equal(0, program.run(folder, { "run", "recipe.lua", "--out", "two", "--quiet", "--trust" }).status)
    assert.same({ trust = true }, sandbox_of "two")
  end)

  it("is lifted by --trust when a run goes on, and run.json says so", function()
    assert.equal(0, program.run(folder, { "run", "recipe.lua", "--out", "one", "--quiet", "--max-steps", "3" }).status)
    assert.is_false(sandbox_of "one".trust)
    assert.equal(0, program.run(folder, { "run", "--resume=one", "--quiet", "--trust" }).status)
    assert.is_true(sandbox_of "one".trust)
  end)

  it("leaves no folder behind where a recipe is wrong, and takes one that is empty", function()
    program.write(folder .. "/wrong.lua", "error 'wrong'")
    for _, words in ipairs { { "run", "wrong.lua", "--out", "a/b/c" }, { "run", "wrong.lua" },
      { "compare", "wrong.lua", "--policies", "uniform" } } do
      assert.equal(1, program.run(folder, words).status)
    end
    assert.is_nil(core.stat(folder .. "/a"))
    assert.is_nil(core.stat(folder .. "/runs"))
    core.mkdir(folder .. "/empty")
    assert.equal(0, program.run(folder, { "run", "recipe.lua", "--out", "empty", "--quiet" }).status)
  end)

  it("lets a comparison start its runs, each behind a wall", function()
    local result = program.run(folder, { "compare", "recipe.lua", "--policies", "uniform", "--seeds", "1", "--out", "c",
      "--quiet" })
    assert.equal(0, result.status, result.err)
    assert.is_false(sandbox_of "c/runs/uniform-1".programs)
  end)

  it("has a door for OpenCL only where the call asks for it", function()
    program.write(folder .. "/recipe.lua", program.recipe { { "name =", "device = \"opencl\", name =" } })
    local result = program.run(folder, { "run", "recipe.lua", "--out", "one", "--quiet" }, "unset MTL_DEVICE;")
    assert.equal(1, result.status)
    assert.matches("device is 'opencl', which it may not choose itself; run with --device opencl", result.err, 1, true)
    result = program.run(folder, { "run", "recipe.lua", "--out", "one", "--quiet", "--device", "opencl",
      "--max-steps", "1" })
    if result.err:find "no OpenCL" then
      pending(result.err)
    end
    assert.equal(0, result.status, result.err)
    assert.is_true(sandbox_of "one".programs)
  end)

  it("lets a driver of OpenCL compile, start its linker and keep what it made", function()
    program.write(folder .. "/script.lua", [[
      require "mtl.wall".up { device = "opencl" }
      local x = mtl.tensor { 0, 1 }
      local ok, e = pcall(function() return tostring(x:to "opencl":exp():to "cpu") end)
      print(ok, e, io.open("x", "w"))]])
    local result = program.run(folder, { "lua",
      "script.lua" }, ("export XDG_CACHE_HOME=%s/cache TMPDIR=%s/cache;"):format(
      folder, folder))
    assert.equal("", result.err)
    if result.out:find "no OpenCL" then
      pending(result.out)
    end
    assert.matches("true.*1%. +2%.7182%d*.*Permission denied", result.out)
    assert.is_table(core.stat(folder .. "/cache/mtl/opencl"))
  end)
end)

describe("a path that was checked", function()
  it("is read without following links that came since", function()
    local folder = core.realpath(program.folder())
    finally(function() program.remove(folder) end)
    core.mkdir(folder .. "/in")
    program.write(folder .. "/in/a.csv", "a\n1\n")
    program.write(folder .. "/script.lua", [[
      local core = require "mtl.core"
      local function try(p) local ok, e = pcall(core.csv_read, p) print(ok or e) end
      try "link.csv"
      core.refuse_links()
      for _, p in ipairs { "in/a.csv", "in//a.csv", core.realpath "in/a.csv", "link.csv", "up/a.csv",
        "./up/../in/a.csv",
        "in", "pipe", "none.csv", ("x"):rep(300) } do try(p) end]])
    assert(os.execute(("cd '%s' && ln -s in/a.csv link.csv && ln -s in up && mkfifo pipe"):format(folder)))
    local result = program.run(folder, { "lua", "script.lua" })
    assert.equal("", result.err)
    local said = {}
    for line in result.out:gmatch "[^\n]+" do
      said[#said + 1] = line:match "true" or line:match "regular file" or line:match ": ([%w ]+)$"
    end
    assert.same({ "true", "true", "true", "true", "Too many levels of symbolic links", "Not a directory",
      "Not a directory", "regular file", "regular file", "No such file or directory", "File name too long" }, said)
  end)
end)

describe("the cap on memory", function()
  local folder

  before_each(function() folder = core.realpath(program.folder()) end)
  after_each(function() program.remove(folder) end)

  -- A training whose KPI keeps what `body` makes.
  local function train(body, ...)
    program.write(folder .. "/recipe.lua", program.recipe { { "return mtl.recipe", ([[
      local kept = {}
      local function keep() kept[#kept + 1] = %s return 1 end
      return mtl.recipe]]):format(body) }, { "kpi = kpi.accuracy()", "kpi = kpi.custom(keep)" } })
    return program.run(folder, { "run", "recipe.lua", "--out", "out", "--quiet", ... })
  end

  it("ends a training with status 2, and says how to change it", function()
    for _, body in ipairs { "('x'):rep(1 << 24)", "mtl.zeros(1 << 22)",
      "mtl.io and { mtl.zeros(1 << 21), ('x'):rep(1 << 23) }" } do
      program.remove(folder .. "/out")
      local result = train(body, "--memory", "200M")
      assert.equal(2, result.status, result.err)
      assert.matches("out of memory", result.err, 1, true)
      assert.matches("tensors and Lua may take 200 MiB together: --memory SIZE allows more", result.err, 1, true)
    end
  end)

  it("can be lifted", function()
    assert.equal(0, train("('x'):rep(1 << 24)", "--memory", "2 GiB").status)
    program.remove(folder .. "/out")
    assert.equal(0, train("('x'):rep(1 << 24)", "--memory", "0").status)
  end)

  it("is a size", function()
    for _, size in ipairs { "much", "-1", "8Q", "" } do
      assert.matches("should be a size, as 500M or 8G", train("1", "--memory=" .. size).err, 1, true)
    end
  end)
end)

describe("^C", function()
  it("during validation leads to the same bits", function()
    local folder = core.realpath(program.folder())
    finally(function() program.remove(folder) end)
    -- 21 rows to validate on: a batch of 20, and one of 1, which takes its time
    program.write(folder .. "/recipe.lua", program.recipe { { "mtl.rand(200, 4)", "mtl.rand(210, 4)" },
      { "return mtl.recipe", [[
      local function slow(pred)
        if #pred == 1 then
          warn "begun"
          local from = os.clock()
          repeat until os.clock() - from > 0.05
        end
        return 0.5
      end
      return mtl.recipe]] }, { "kpi = kpi.accuracy()", "kpi = kpi.custom(slow)" } })
    assert.equal(0, program.run(folder, { "run", "recipe.lua", "--quiet", "--out", "whole" }).status)
    program.write(folder .. "/cut.sh", [[
      "$MTL_PROGRAM" run recipe.lua --quiet --out cut 2>err &
      until grep -q begun err; do sleep 0.01; done
      kill -INT $!
      wait $!]])
    assert.equal(130, program.run(folder, { "cut.sh" }, nil, "sh").status)
    assert.matches("stopped at step 9; go on with: mtl run --resume " .. folder .. "/cut",
      program.read(folder .. "/err"), 1,
      true)
    local result = program.run(folder, { "run", "--resume=cut", "--quiet" })
    assert.equal(0, result.status, result.err)
    local whole, whole_log = training.content(folder .. "/whole")
    local cut, cut_log = training.content(folder .. "/cut")
    assert.is_true(whole == cut)
    assert.equal(whole_log, cut_log)
  end)
end)
