local core = require "mtl.core"

local function write(p, text)
  local file = assert(io.open(p, "w"))
  file:write(text)
  file:close()
end

describe("sandbox", function()
  local root, sandbox, searchers
  local fake_mtl = { nn = { linear = function() return "linear" end }, tensor = core.tensor, core = core, secret = 1 }
  local names = { "mtl", "mtl.path", "mtl.sandbox" }
  local kept

  before_each(function()
    kept = {}
    for _, name in ipairs(names) do
      kept[name], package.loaded[name] = package.loaded[name], nil
    end
    sandbox = require "mtl.sandbox"
    package.loaded["mtl"] = fake_mtl
    searchers = { table.unpack(package.searchers) }
    root = core.realpath(os.getenv "TMPDIR" or "/tmp") .. "/mtl-sandbox-spec-" .. core.getpid()
    core.mkdir(root .. "/lib")
  end)

  after_each(function()
    for _, name in ipairs(names) do
      package.loaded[name] = kept[name]
    end
    for i in pairs(package.searchers) do
      package.searchers[i] = searchers[i]
    end
    local strings = debug.getmetatable ""
    strings.__metatable, strings.__index = nil, string
    os.execute("rm -r " .. root)
  end)

  local function run(text, options)
    write(root .. "/recipe.lua", text)
    local chunk, box = sandbox.load(root .. "/recipe.lua", options)
    return chunk(), box
  end

  local function refused(text)
    local ok, e = pcall(run, text)
    assert.is_false(ok, text)
    return tostring(e)
  end

  it("runs what a recipe needs", function()
    local r = run [[
      local t = {}
      for k, v in pairs { a = 1 } do t[k] = v end
      table.insert(t, string.format("%d", math.floor(2.5)))
      t.s = ("x"):rep(3) .. #utf8.char(233)
      t.c = coroutine.wrap(function() coroutine.yield(4) end)()
      t.time = os.time() > 0 and os.clock() >= 0 and os.date("%Y") ~= nil
      t.l = load("return a + 1", "=x", "t", { a = 2 })()
      t.g = rawget(_G, "unknown_global") == nil and _G.os == os
      t.p = select(2, pcall(error, "e"))
      return t]]
    assert.same({ a = 1, "2", s = "xxx2", c = 4, time = true, l = 3, g = true, p = "e" }, r)
  end)

  it("names the call that a recipe may not make, and how to allow it", function()
    for _, call in ipairs { "io.open", "io.popen", "io.lines", "os.execute", "os.getenv", "os.remove", "os.exit",
      "debug.getinfo", "debug.sethook", "package.loadlib", "dofile", "loadfile", "string.dump" } do
      local e = refused(("local x = %s('x')"):format(call))
      assert.matches(call .. ":", e, 1, true)
      assert.matches("--trust", e, 1, true)
      assert.matches("recipe.lua:1:", e, 1, true)
    end
  end)

  it("loads text only, into its own environment", function()
    local bytecode = string.format("%q", string.dump(function() return 1 end)):gsub("\r", "\\r")
    assert.is_nil(run(("return (load(%s))"):format(bytecode)))
    assert.matches("bytecode", refused "local x = load('return 1', 'x', 'b')")
    assert.is_false(run "return load('return io.open')() == nil")
    assert.is_nil(run "y = 1; return load('return y', 'x', 't', nil) and nil")
    assert.is_nil(rawget(_G, "y"))
  end)

  it("refuses a name without a value, with its line and the nearest name", function()
    for _, trust in ipairs { false, true } do
      local function e(text)
        local ok, message = pcall(run, text, { trust = trust })
        assert.is_false(ok, text)
        return message
      end
      assert.matches("recipe.lua:2: there is no variable 'representation'; a text stands in quotes: \"representation\"",
        e "local x =\n { at = representation }", 1, true)
      assert.matches("recipe.lua:1: there is no variable 'tabel'; did you mean 'table'?", e "tabel.sort {}", 1, true)
      assert.matches("did you mean 'losses'?", e "local losses = 1 return losse", 1, true)
      assert.matches("recipe.lua:2: there is no variable 'losss'; did you mean 'loss'?",
        e "local loss = 1 local function f()\nlocal x = loss return losss, x end f()", 1, true)
      assert.is_nil(run("return unpack or setfenv", { trust = trust }))
      assert.equal(3, run("spec_global = 3; local v = spec_global; spec_global = nil; return v", { trust = trust }))
    end
    assert.matches("there is no variable 'f00'", refused "return _G.f00", 1, true)
    assert.matches("mtl's", refused "setmetatable(_G, nil)")
  end)

  it("keeps mtl's own tables and metatables out of reach", function()
    local format, insert = string.format, table.insert
    run [[string.format = nil; table.insert = nil; math.pi = 3; local mtl = require "mtl"; mtl.nn.linear = nil]]
    assert.equal(format, string.format)
    assert.equal(insert, table.insert)
    assert.is_true(math.pi > 3)
    assert.is_function(fake_mtl.nn.linear)
    assert.is_false(run "return getmetatable('')")
    assert.is_false(run "return getmetatable(require 'mtl')")
    assert.matches("mtl's", refused "setmetatable(require('mtl').nn, {})")
    assert.matches("__gc", refused "setmetatable({}, { __gc = print })")
    assert.is_true(run [[local m = { __index = { a = 1 } }
      local t = setmetatable({}, m) return getmetatable(t) == m and t.a == 1]])
  end)

  it("shows of mtl what recipes use", function()
    local r = run [[local mtl = require "mtl"
      return { mtl.nn.linear(), mtl.tensor { 1 }:item(), mtl == require "mtl" }]]
    assert.same({ "linear", 1, true }, r)
    assert.matches("mtl.core: a recipe may not", refused "return require('mtl').core.file_write")
    assert.matches("may not use", refused "return require('mtl').secret")
    assert.matches("require 'mtl.core'", refused "return require 'mtl.core'")
  end)

  it("requires Lua files beside the recipe, once, and notes them", function()
    write(root .. "/lib/util.lua", "count = (rawget(_G, 'count') or 0) + 1; return { n = count, name = ... }")
    write(root .. "/lib/init.lua", "return 'folder'")
    write(root .. "/none.lua", "")
    local r, box = run [[return { require("lib.util").n, require("lib.util").n, require "lib", require "none",
      require("lib.util").name }]]
    assert.same({ 1, 1, "folder", true, "lib.util" }, r)
    local files = {}
    for i, f in ipairs(box.files) do
      files[i] = f.name
      assert.is_string(f.text)
    end
    assert.same({ "recipe.lua", "lib/util.lua", "lib/init.lua", "none.lua" }, files)
    assert.matches("no such file", refused "require 'missing'")
    assert.matches("no such file", refused "require '../x'")
    assert.matches("no such file", refused "require '/etc/passwd'")
  end)

  it("does not follow a link out of the recipe's folder", function()
    write(root .. ".lua", "return 1")
    os.execute(("ln -s %s.lua %s/out.lua"):format(root, root))
    local e = refused "return require 'out'"
    os.remove(root .. ".lua")
    assert.matches("outside", e)
  end)

  it("says when a file requires itself or is broken", function()
    write(root .. "/a.lua", "return require 'b'")
    write(root .. "/b.lua", "return require 'a'")
    assert.matches("requires itself", refused "require 'a'")
    write(root .. "/bad.lua", "x = = 1")
    assert.matches("bad.lua:1:", refused "require 'bad'")
    assert.matches("recipe.lua:2:", refused "\nx = = 1")
    assert.matches("No such file", tostring(select(2, pcall(sandbox.load, root .. "/nothing.lua"))))
  end)

  it("is lifted by trust", function()
    write(root .. "/mine.lua", "return io.open ~= nil and debug ~= nil")
    local r, box = run("return require 'mine'", { trust = true })
    package.loaded.mine = nil
    assert.is_true(r)
    assert.equal("mine.lua", box.files[2].name)
  end)
end)

describe("a confined recipe", function()
  local program = dofile "spec/support/program.lua"
  local folder

  setup(function()
    folder = program.folder()
    core.mkdir(folder .. "/box")
    program.write(folder .. "/secret.csv", "a,b\n" .. ("1,2\n3,4\n"):rep(10))
    program.write(folder .. "/box/base.lua", program.recipe())
    assert.equal(0, program.run(folder .. "/box", { "run", "base.lua", "--out", "one", "--quiet" }).status)
  end)
  teardown(function() program.remove(folder) end)

  -- What the recipe's `body` raises when it is checked.
  local function refused(body, ...)
    program.write(folder .. "/box/recipe.lua", ([[
      local mtl = require "mtl"
      local base, outside = require "base", %q
      local ok, e = pcall(function() %s end)
      error(ok and "DONE" or tostring(e), 0)]]):format(folder, body))
    local e = program.run(folder .. "/box", { "check", "recipe.lua" }).err
    for _, text in ipairs { ... } do
      assert.truthy(e:find(text, 1, true), ("%s: %q should say %q"):format(body, e, text))
    end
  end

  it("reads no file by opening data itself, loading or starting a run", function()
    local outside = "lies outside of the folders"
    refused([[mtl.data.csv { path = outside .. "/secret.csv", inputs = { "a" }, targets = { b = "b" } }
      :open { path = function(p) return p end }]], outside)
    refused([[mtl.load(outside .. "/secret.csv")]], outside)
    refused([[base:run { out = outside .. "/four" }]], outside)
    refused([[base.file = outside .. "/secret.csv"; base:run { out = "two" }]], "a recipe may not write files")
  end)

  it("writes only what a run writes", function()
    refused([[base:run { out = "five", files = { { name = "../../../pwned", text = "x" } } }]],
      "unknown option 'files'")
    assert.is_nil(core.stat(folder .. "/pwned"))
  end)

  it("does not reach what stands behind runs, recipes and data sets", function()
    refused([[local r = mtl.load "one"
      error(tostring(r.open or r.start or r.training or r.saved or r.options or r.__index or base.__index
        or base.data:open {}.__index), 0)]], "mtl: nil")
  end)

  it("opens no folder by what a run.json says", function()
    os.execute(("cp -r %s/box/one %s/box/evil"):format(folder, folder))
    local file = folder .. "/box/evil/run.json"
    local text = program.read(file)
    program.write(folder .. "/box/evil/recipe/base.lua", ([[local mtl = require "mtl"
      mtl.data.csv { path = %q, inputs = { "a" }, targets = { b = "b" } }:open { path = function(p) return p end }
      error "read it"]]):format(folder .. "/secret.csv"))
    program.write(file, (text:gsub('"folder": *"[^"]*"', '"folder": "/"')))
    refused([[mtl.load "evil":evaluate()]], "lies outside of the folders")
    program.write(file, (text:gsub('"file": *"[^"]*"', '"file": "../../../secret.csv"')))
    local result = program.run(folder, { "eval", "box/evil" })
    assert.equal(1, result.status)
    assert.matches("does not lie in the run's folder", result.err)
  end)

  it("opens what a run.json names only where this user made that run, with that recipe", function()
    local rows = "a,left,right\n" .. ("1,x,2\n3,y,4\n"):rep(30)
    for _, name in ipairs { "away", "theirs" } do
      core.mkdir(folder .. "/" .. name)
      program.write(folder .. "/" .. name .. "/rows.csv", rows)
    end
    program.write(folder .. "/away/recipe.lua", program.recipe { { [[mtl.data.tensors {
    inputs = x, targets = { left = mtl.gt(first, 0.5):cast "int32", right = first * 2 }, batch = 20,
  }]], ("mtl.data.csv { path = %q, inputs = { 'a' }, targets = { left = 'left', right = 'right' } }"):format(folder
      .. "/theirs/rows.csv") }, { "linear(4, 8)", "linear(nil, 8)" } })
    program.write(folder .. "/away/near.lua", program.read(folder .. "/away/recipe.lua"):gsub("/theirs/", "/away/"))
    local function mtl(...)
      local r = program.run(folder, { ... }, 'XDG_STATE_HOME="$PWD/state"')
      return r.status, r.err
    end
    assert.equal(0, mtl("run", "away/recipe.lua", "--out", "run", "--data", "theirs", "--quiet"))
    assert.equal(0, mtl("run", "away/near.lua", "--out", "near", "--quiet"))
    assert.equal("600", io.popen("stat -c %a " .. folder .. "/state/mtl/key"):read "l")
    for _, run in ipairs { "run", "near" } do
      local file = ("%s/recipe/%s.lua"):format(run, run == "near" and "near" or "recipe")
      assert.equal(0, mtl("eval", run))
      os.execute(("cd %s && cp -r %s evil && echo >> evil/%s"):format(folder, run, file:match "/(.*)"))
      for _, way in ipairs { { "eval", "evil" }, { "run", "--resume", "evil" } } do
        local status, err = mtl(table.unpack(way))
        assert.equal(1, status)
        assert.matches("lies outside of the folders", err)
      end
      assert.equal(0, mtl("eval", "evil", "--data", run == "near" and "away" or "theirs"))
      os.execute(("cd %s && rm -r evil && mv state other"):format(folder)) -- somebody else
      assert.equal(1, mtl("eval", run))
      os.execute(("cd %s && rm -r state && mv other state && ln -s /etc %s/recipe/link"):format(folder, run))
      assert.equal(1, mtl("eval", run))
    end
  end)
end)
