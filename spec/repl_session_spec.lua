-- A long session at the prompt, on a terminal: spec/fixtures/repl.session is what one would see; spec/pty.c follows it.
local program = dofile "spec/support/program.lua"
local core = require "mtl.core"

local here = core.realpath "spec/fixtures/repl.session"
local environment = "TERM=xterm LANG=C.UTF-8 LC_ALL=C.UTF-8 HOME=/nowhere XDG_STATE_HOME=\"$PWD\"/state"

describe("mtl repl on a terminal", function()
  local folder

  before_each(function()
    folder = program.folder()
    core.mkdir(folder .. "/sub")
    program.write(folder .. "/recipe.lua", program.recipe())
    program.write(folder .. "/sub/deep.txt", "four")
    program.write(folder .. "/lib.lua", "local function f(x)\n  return x.y.z\nend\nfunction use(x)\n  local v = f(x)\n"
      .. "  return v\nend\nlib_value = 17\n")
  end)
  after_each(function()
    program.remove(folder)
  end)

  local function session(transcript, ...)
    local result = program.run(folder, { transcript, os.getenv "MTL_PROGRAM", "repl", ... }, environment,
      os.getenv "MTL_PTY")
    assert.equal("", result.out)
    assert.equal(0, result.status)
  end

  it("goes as the transcript says", function()
    session(here, "recipe.lua")
    local history = program.read(folder .. "/state/mtl/history")
    assert.matches("fib", history) -- libedit writes blanks as \040
    assert.equal("600", io.popen("stat -c %a " .. folder .. "/state/mtl/history"):read "l")
  end)

  it("keeps its history, and opens runs", function()
    assert.equal(0, program.run(folder, { "run", "recipe.lua", "--out", "one", "--quiet" }).status)
    program.write(folder .. "/first", "> 41 + 1\n42\n! end\n")
    session("first")
    program.write(folder .. "/second", [[
> <Up>
42
> run
~ run of spec in
> run:pre<Tab> == nil
~ mtl: prompt:1
> plot(run, "weight")
weight
> step().step
25
> recipe.name
spec
> step(30).step
55
> evaluate "test"
~ test
! end
]])
    session("second", "one")
  end)
end)
