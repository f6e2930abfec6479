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

  it("keeps the cap on memory after an error", function()
    program.write(folder .. "/cap", [[
> function fill() local l while true do l = { l } end end
> fill()
~ mtl: out of memory
> #("x"):rep(5000)
5000
> fill()
~ mtl: out of memory
> list = nil while true do list = { list } end
~ mtl: out of memory
> list = nil
> #("x"):rep(5000)
5000
> mtl.zeros(1 << 28)
~ mtl: prompt:1: out of memory on cpu
> mtl.zeros(1 << 28)
~ mtl: prompt:1: out of memory on cpu
! end
]])
    session("cap", "recipe.lua", "--memory", "100M")
  end)

  it("shares its history with other prompts", function()
    program.write(folder .. "/inner", "> 1, 'inner'\n1\tinner\n! end\n")
    program.write(folder .. "/outer", ([[
> 1, "outer"
1	outer
> os.execute %q
true	exit	0
> 2, "outer"
2	outer
! end
]]):format(("%s inner %s repl >&2"):format(os.getenv "MTL_PTY", os.getenv "MTL_PROGRAM")))
    session "outer"
    local lines = {}
    for line in io.lines(folder .. "/state/mtl/history") do
      lines[#lines + 1] = line:gsub("\\%d+", " ")
    end
    assert.equal(5, #lines)
    assert.same({ [[1, "outer"]], "1, 'inner'", [[2, "outer"]] }, { lines[2], lines[4], lines[5] })
  end)

  it("keeps the last lines of a long history", function()
    program.write(folder .. "/none", "! end\n")
    core.mkdir(folder .. "/state")
    core.private_folder(folder .. "/state/mtl")
    program.write(folder .. "/state/mtl/history", "_HiStOrY_V2_\n" .. ("first\nsecond\n"):rep(2001) .. "third\n")
    session "none"
    local text = program.read(folder .. "/state/mtl/history")
    assert.equal(2001, select(2, text:gsub("\n", "")))
    assert.matches("^_HiStOrY_V2_\nsecond\n.*\nthird\n$", text)
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
