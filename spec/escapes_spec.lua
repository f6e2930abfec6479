--- Ways out of the sandbox, each tried by the program itself on a recipe that tries it. What an attack reaches is in
-- `secret`, a file outside of the recipe's folder, or leaves a file there.
local core = require "mtl.core"
local program = dofile "spec/support/program.lua"

local TRUST = "--trust"

-- name, the recipe's code, and what mtl says. The code ends the recipe with an error unless it fails by itself.
local tries = {
  -- what there is not
  { "io.open", "io.open(secret)", "io.open:", TRUST },
  { "io.popen", "io.popen('id')", "io.popen:", TRUST },
  { "io.lines", "for l in io.lines(secret) do print(l) end", "io.lines:", TRUST },
  { "io.output", "io.output(outside .. '/pwned')", "io.output:", TRUST },
  { "io.stdout's metatable", "getmetatable(io.stdout).__index.write = nil", "attempt to index" },
  { "os.execute", "os.execute 'touch ../pwned'", "os.execute:", TRUST },
  { "os.getenv", "os.getenv 'HOME'", "os.getenv:", TRUST },
  { "os.remove", "os.remove(secret)", "os.remove:", TRUST },
  { "os.rename", "os.rename(secret, 'mine')", "os.rename:", TRUST },
  { "os.exit", "os.exit(0)", "os.exit:", TRUST },
  { "os.tmpname", "os.tmpname()", "os.tmpname:", TRUST },
  { "os.setlocale", "os.setlocale 'C'", "os.setlocale:", TRUST },
  { "os.date with a bad format", "os.date '%Ez'", "conversion specifier" },
  { "debug.getinfo", "debug.getinfo(1)", "debug.getinfo:", TRUST },
  { "debug.getregistry", "debug.getregistry()", "debug.getregistry:", TRUST },
  { "debug.sethook", "debug.sethook()", "debug.sethook:", TRUST },
  { "debug.setmetatable", "debug.setmetatable('', {})", "debug.setmetatable:", TRUST },
  { "debug.getupvalue", "debug.getupvalue(require, 1)", "debug.getupvalue:", TRUST },
  { "package.loadlib", "package.loadlib('libc.so.6', 'system')", "package.loadlib:", TRUST },
  { "package.searchpath", "package.searchpath('x', outside .. '/?.csv')", "package.searchpath:", TRUST },
  { "package.loaded", "package.loaded.io.open(secret)", "attempt to index" },
  { "package.preload", "package.preload['mtl.core']()", "attempt to index" },
  { "dofile", "dofile(secret)", "dofile:", TRUST },
  { "loadfile", "loadfile(secret)", "loadfile:", TRUST },
  { "_ENV of the globals", "local e = _G; while e._G ~= e do e = e._G end; e.io.open(secret)", "io.open:", TRUST },
  -- code
  { "bytecode in a text", "assert(load('\27Lua'))", "attempt to load a binary chunk" },
  { "bytecode from a function",
    "local n = 0; assert(load(function() n = n + 1; return n == 1 and '\27Lua' or nil end))",
    "attempt to load a binary chunk" },
  { "bytecode asked for", "load('x', 'x', 'b')", "load of bytecode:", TRUST },
  { "string.dump", "string.dump(print)", "string.dump:", TRUST },
  { "string.dump as a method", "(''):dump()", "string.dump:", TRUST },
  { "load through coroutine.wrap", "assert(coroutine.wrap(load)('\27Lua'))", "attempt to load a binary chunk" },
  { "load with other globals", "assert(load('return io.open', 'x', 't', _G))()(secret)", "io.open:", TRUST },
  { "load's globals", "assert(load 'io.open(...)')(secret)", "io.open:", TRUST },
  { "a chunk that is named as mtl's own",
    "local f = load([[local mtl = ... return mtl.policy.define { name = 'uniform',"
    .. " weights = function() return {} end }]], '@mtl/policy/uniform.lua'); f(mtl)",
      "there is a policy 'uniform' already" },
  { "require of a path", "require '../secret'", "no such file" },
  { "require of an absolute path", "require(outside .. '/secret')", "no such file" },
  { "require of dots", "require '....secret'", "no such file" },
  { "require of mtl.core", "require 'mtl.core'", "no such file" },
  { "require of a library", "require 'io'", "no such file" },
  { "require of a link", "require 'link'", "lies outside of the folders" },
  { "require of a pipe", "require 'pipe'", "is a device or pipe" },
  { "a file that would be a policy of mtl's", "return mtl.policy.evil", "there is no policy 'evil'" },
  -- mtl's own tables and objects
  { "mtl.core", "mtl.core.file_write(outside .. '/pwned', 'x')", "there is no function or part 'core'" },
  { "library tables", "string.format = nil; table.concat = nil; table.unpack = nil; math.floor = nil; error 'kept'",
    "kept" },
  { "the string metatable", "getmetatable('').__index = nil", "attempt to index a boolean" },
  { "setmetatable of a text", "setmetatable('', {})", "this table is mtl's" },
  { "a tensor's metatable", "getmetatable(mtl.zeros(1)).__gc = nil", "attempt to index a string" },
  { "a tensor's __gc", "mtl.zeros(1).__gc()", "attempt to call a nil value" },
  { "a layer's metatable", "getmetatable(mtl.nn.relu()).__index = nil", "attempt to index a boolean" },
  { "a metatable on mtl", "setmetatable(mtl, {})", "this table is mtl's" },
  { "a metatable on a namespace", "setmetatable(mtl.nn, {})", "this table is mtl's" },
  { "a metatable on a loss", "setmetatable(mtl.loss.mse(), {})", "this table is mtl's" },
  { "a layer in place of mtl's", "rawset(mtl.nn, 'linear', error); error(tostring(base.trunk or base.model_json), 0)",
    "linear" },
  { "a policy in place of mtl's", "mtl.policy.define { name = 'uniform', weights = error, x = mtl.recipe }",
    "there is a policy 'uniform' already" },
  { "a policy whose name changes", "local n = 0; mtl.policy.define(setmetatable({}, { __index = function() n = n + 1;"
    .. " return n < 3 and 'mine' or 'uniform' end }))", "name should be a name" },
  { "a policy that is named as a path", "mtl.policy.define { name = '../../evil' }", "name should be a name" },
  { "define in place of define", "mtl.policy.define { name = 'define' }", "there is a policy 'define' already" },
  { "a finaliser", "setmetatable({}, { __gc = print })", "finalisers (__gc)" },
  { "a finaliser that comes by __index", "local m = setmetatable({}, { __index = { __gc = error } })"
    .. " setmetatable({}, m) collectgarbage() error 'nothing ran'", "nothing ran" },
  { "__gc set later", "local m = {} local t = setmetatable({}, m) m.__gc = function() print 'RAN' end t = nil"
    .. " collectgarbage() error 'nothing ran'", "nothing ran" },
  { "__close of a tensor", "local t <close> = mtl.zeros(2) do local u <close> = t end t:item()",
    "this tensor was closed" },
  { "an error that is a table", "error(setmetatable({ status = 0 }, { __tostring = function() return 'as text' end }))",
    "as text" },
  { "an error whose text fails", "error(setmetatable({}, { __tostring = function() error 'worse' end }))", "worse" },
  { "an error whose text is none", "error(setmetatable({}, { __tostring = function() return {} end }))", "__tostring" },
  { "an error whose metatable is odd", "error(setmetatable({}, { __metatable = 5 }))", "mtl:" },
  { "an error that claims a status", "error { status = 0, message = 'fine' }", "a table, not a text" },
  { "collectgarbage stop", "collectgarbage 'stop'", "collectgarbage 'stop':", TRUST },
  { "controls for the terminal", "print '\27]0;title\7' error 'kept'", "kept" },
  -- files
  { "a table outside", "csv(secret)", "lies outside of the folders", TRUST },
  { "a table through ..", "csv '../secret.csv'", "lies outside of the folders", TRUST },
  { "a table through a link", "csv 'link.csv'", "lies outside of the folders", TRUST },
  { "a table through a link to a folder", "csv 'up/secret.csv'", "lies outside of the folders", TRUST },
  { "/proc", "csv '/proc/self/environ'", "lies outside of the folders", TRUST },
  { "a link to /proc", "csv 'environ'", "lies outside of the folders", TRUST },
  { "a device", "csv '/dev/zero'", "lies outside of the folders", TRUST },
  { "a pipe", "csv 'pipe.csv'", "is a device or pipe" },
  { "what is there", "csv '/var/nothing.csv'", "lies outside of the folders" },
  { "a path with a NUL", "csv('base.lua\\0.csv')", "a path should be a text" },
  { "mtl.io.read_png", "mtl.io.read_png(secret)", "lies outside of the folders", TRUST },
  { "mtl.io.read_npy of a pipe", "mtl.io.read_npy 'pipe'", "is a device or pipe" },
  { "mtl.io.write_png", "mtl.io.write_png('a.png', mtl.zeros(1, 2, 2, 'uint8'))", "mtl.io.write_png:", TRUST },
  { "mtl.io.write_npy", "mtl.io.write_npy(outside .. '/pwned', mtl.zeros(1))", "mtl.io.write_npy:", TRUST },
  { "mtl.save", "mtl.save('x', mtl.nn.linear(1, 1))", "mtl.save:", TRUST },
  { "mtl.load", "mtl.load(outside)", "lies outside of the folders", TRUST },
  { "a run that is started", "base:run { out = 'two' }", "may not write files", TRUST },
  { "a run with files", "base:run { files = { { name = '../pwned', text = '' } } }", "unknown option 'files'" },
  { "a run by default", "base:run()", "may not write files", TRUST },
  { "a data set's name", "mtl.dataset('../../secret')", "there is no data set" },
  -- what it may take
  { "a text without end", "local s = 'x' while true do s = s .. s end", "--memory" },
  { "string.rep", "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e8) end", "--memory" },
  { "string.rep beyond all", "('x'):rep(1 << 60, 'y')", "too large" },
  { "table.concat", "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(1e6) end table.concat(t)", "--memory" },
  { "a table without end", "local t = {} while true do t[#t + 1] = {} end", "--memory" },
  { "a global without end", "t = {} while true do t[#t + 1] = { #t } end", "--memory" },
  { "pcall around it", "local t = {} while true do local ok, e = pcall(function() t[#t + 1] = ('x'):rep(1e7) end)"
    .. " if not ok then error(e, 0) end end", "--memory" },
  { "a large tensor", "mtl.zeros(1 << 30, 16)", "--memory" },
  { "many tensors", "local t = {} while true do t[#t + 1] = mtl.zeros(1 << 20) end", "--memory" },
  { "tensors and texts", "local t = {} while true do t[#t + 1] = { mtl.zeros(1 << 18), ('x'):rep(1 << 20) } end",
    "--memory" },
  { "string.format's width", "('%99999d'):format(1)", "invalid conversion" },
  { "table.unpack", "table.unpack({}, 1, 1e8)", "too many results" },
  { "a nest of tables", "local t = {} for i = 1, 1e5 do t = { t } end mtl.tensor(t)", "mtl:" },
  { "a table within itself", "local t = {} t[1] = t mtl.tensor(t)", "mtl:" },
  { "a nest of layers", "local l = mtl.nn.relu() for i = 1, 5000 do l = mtl.nn.sequential { l } end tostring(l)"
    .. " base.trunk = l mtl.nn.sequential { l }(mtl.zeros(1, 1))", "mtl:" },
  { "a recursion without end", "local function f() return 1 + f() end f()", "stack overflow" },
  { "a recursion through C", "local function f() return ('x'):gsub('.', f) end f()", "stack overflow" },
  { "a recursion of coroutines", "local function f() return coroutine.wrap(f)() end f()", "stack overflow" },
  { "a recursion of pcall", "local function f() local ok, e = pcall(f) if not ok then error(e, 0) end end f()",
    "stack overflow" },
  { "a recursion of patterns", "(('('):rep(1000)):match(('('):rep(1000))", "mtl:" },
  { "a recursion of load", "assert(load(('('):rep(1e5)))", "mtl:" },
  { "a text within itself", "local m = {} m.__tostring = function(x) return tostring(x) end "
    .. "tostring(setmetatable({}, m))", "stack overflow" },
  { "a name that leads away", "base.name = '../../pwned' return base", "which should be letters", command = "run" },
}

describe("a recipe that tries to get out", function()
  local folder

  setup(function()
    folder = core.realpath(program.folder())
    local box = folder .. "/box"
    core.mkdir(box .. "/mtl/policy")
    program.write(folder .. "/secret.csv", "a,b\n" .. ("31337,2\n"):rep(20))
    program.write(folder .. "/secret.lua", "return 31337")
    program.write(box .. "/base.lua", program.recipe())
    program.write(box .. "/mtl/policy/evil.lua", "io.open('../pwned', 'w'):close() print 31337")
    assert(os.execute(([[cd '%s' && ln -s ../secret.lua link.lua && ln -s ../secret.csv link.csv && ln -s .. up &&
      ln -s /proc/self/environ environ && mkfifo pipe pipe.lua pipe.csv]]):format(box)))
  end)
  teardown(function() program.remove(folder) end)

  local head = ([[local mtl = require "mtl"; local base, outside, secret = require "base", "FOLDER",
    "FOLDER/secret.csv";
    local function csv(p) return mtl.data.csv { path = p, inputs = { "a" }, targets = { b = "b" } }
      :open { path = function(x) return x end } end; local _ = base, outside, secret, csv; ]]):gsub("\n", " ")

  for _, try in ipairs(tries) do
    it("cannot: " .. try[1], function()
      local body = try[2]
      program.write(folder .. "/box/recipe.lua", head:gsub("FOLDER", folder) .. body
        .. (body:find "return [^;]*$" and "" or " error 'DONE'"))
      local command = try.command == "run" and { "run", "recipe.lua", "--quiet" } or { "check", "recipe.lua" }
      command[#command + 1] = "--memory"
      command[#command + 1] = "300M"
      local result = program.run(folder .. "/box", command, "ulimit -t 20;")
      local said = result.err
      assert.equal(1, result.status, said)
      for i = 3, #try do
        assert.truthy(said:find(try[i], 1, true), ("%s should say %q"):format(said, try[i]))
      end
      assert.falsy(said:find("DONE", 1, true), said)
      assert.falsy((said .. result.out):find("31337", 1, true), said .. result.out)
      assert.equal(1, select(2, said:gsub("\n", "")), said)
      assert.falsy(result.out:find "%c[^\n]" and result.out:find "\27", result.out)
      assert.is_nil(core.stat(folder .. "/pwned"))
    end)
  end
end)

-- Code that never ends, as a KPI of a training: each says when it has begun.
local loops = {
  { "a loop", "while true do end" },
  { "a loop in pcall", "while true do pcall(function() while true do end end) end" },
  { "a loop in xpcall's handler", "while true do xpcall(error, function() while true do end end) end" },
  { "a loop in a coroutine", "while true do coroutine.resume(coroutine.create(function() while true do end end)) end" },
  { "a loop in a coroutine made before", "while true do pcall(early) end" },
  { "many coroutines", "while true do pcall(coroutine.wrap(function() pcall(error) end)) end" },
  { "a coroutine that yields", "local f = coroutine.wrap(function() while true do pcall(coroutine.yield) end end)"
    .. " while true do f() end" },
  { "a loop in coroutine.close",
    "local c = coroutine.create(function() local x <close> = closing coroutine.yield() end)"
    .. " coroutine.resume(c) while true do pcall(coroutine.close, c) end" },
  { "a loop in __close", "while true do pcall(function() local x <close> = closing error 'x' end) end" },
  { "a loop in __index", "local t = setmetatable({}, { __index = function() while true do end end })"
    .. " while true do pcall(function() return t.x end) end" },
  { "a loop in a comparison", "while true do pcall(table.sort, { 3, 2, 1 }, function() while true do end end) end" },
  { "a loop in load's function", "while true do pcall(load, function() while true do end end) end" },
  { "a loop in gsub's function", "while true do pcall(string.gsub, 'x', 'x', function() while true do end end) end" },
  { "a loop in a tensor's function", "while true do pcall(mtl.no_grad, function() while true do end end) end" },
  { "tensors", "local x = mtl.rand(64, 64) while true do pcall(function() x = x:matmul(x):tanh() end) end" },
  { "a pattern", "('a'):rep(400):find(('.-'):rep(12) .. 'b')" },
  { "a pattern of gmatch", "for _ in ('a'):rep(400):gmatch(('.-'):rep(12) .. 'b') do end" },
  { "a pattern in pcall", "while true do pcall(string.gsub, ('a'):rep(400), ('.-'):rep(12) .. 'b', '') end" },
  { "string.rep of nothing", "(''):rep(1 << 50)" },
  { "table.move", "table.move({}, 1, 1 << 50, 2)" },
  { "table.concat", "table.concat(setmetatable({}, { __index = function() return '' end }), '', 1, 1 << 50)" },
  { "table.insert", "table.insert(setmetatable({}, { __len = function() return 1 << 50 end }), 1, 1)" },
  { "an error whose text never ends", "error("
    .. "setmetatable({}, { __tostring = function() warn 'begun' while true do end end }))" },
}

describe("a recipe that never ends", function()
  local folder, results

  -- Trains all of them side by side, presses ^C once each has begun, and again where that did not end it in a second
  -- and a half. @return { { status =, seconds = from the first ^C on, presses =, err = }, ... }
  local function interrupt_all()
    for i, loop in ipairs(loops) do
      core.mkdir(("%s/%d"):format(folder, i))
      program.write(("%s/%d/recipe.lua"):format(folder, i), program.recipe { { "return mtl.recipe", ([[
        local closing = setmetatable({}, { __close = function() while true do pcall(error) end end })
        local early = coroutine.wrap(function() coroutine.yield() while true do end end)
        early()
        local function forever() warn "begun"; %s end
        local _, _ = closing, early
        return mtl.recipe]]):format(loop[2]) }, { "kpi = kpi.accuracy()", "kpi = kpi.custom(forever)" } })
    end
    program.write(folder .. "/all.sh", ([[
      one() {
        cd "$1"
        "$MTL_PROGRAM" run recipe.lua --quiet --out out 2>err >/dev/null &
        n=0
        until grep -q begun err || test $n -gt 300; do sleep 0.05; n=$((n + 1)); done
        sleep 0.2
        from=$(date +%%s%%N) presses=1
        kill -INT $!
        for n in $(seq 30); do kill -0 $! 2>/dev/null || break; sleep 0.05; done
        if kill -INT $! 2>/dev/null; then presses=2; fi
        wait $!
        echo $? $((($(date +%%s%%N) - from) / 1000000)) $presses >result
      }
      for first in $(seq 1 6 %d); do
        for i in $(seq $first $((first + 5))); do
          if test -d $i; then (one $i) & fi
        done
        wait
      done]]):format(#loops))
    local done = program.run(folder, { "all.sh" }, nil, "sh")
    assert.equal(0, done.status, done.err)
    local list = {}
    for i in ipairs(loops) do
      local dir = ("%s/%d/"):format(folder, i)
      local status, ms, presses = program.read(dir .. "result"):match "(%d+) (%d+) (%d+)"
      list[i] = { status = tonumber(status), seconds = tonumber(ms) / 1000, presses = tonumber(presses),
        err = program.read(dir .. "err") }
    end
    return list
  end

  setup(function()
    folder = core.realpath(program.folder())
    results = interrupt_all()
  end)
  teardown(function() program.remove(folder) end)

  for i, loop in ipairs(loops) do
    it("ends by ^C: " .. loop[1], function()
      local r = results[i]
      assert.truthy(r.err:find("begun", 1, true), r.err)
      assert.equal(130, r.status, r.err)
      assert.is_true(r.seconds < 3.5, ("%.1f s, %d presses"):format(r.seconds, r.presses))
    end)
  end

  it("leaves a report where code was stopped, called by a pattern's function too", function()
    program.write(folder .. "/recipe.lua", program.recipe { { "return mtl.recipe", [[
      local function forever() warn "begun"; ("a"):gsub("a", function() while true do end end) end
      return mtl.recipe]] }, { "kpi = kpi.accuracy()", "kpi = kpi.custom(forever)" } })
    program.write(folder .. "/load.sh", [[
      rm -f err # of the command before: what it says is not what this one has come to
      "$MTL_PROGRAM" "$@" 2>err &
      until grep -qs begun err; do sleep 0.01; done
      kill -INT $!
      wait $!]])
    assert.equal(130, program.run(folder, { "load.sh", "run", "recipe.lua", "--out", "left", "--quiet" }, nil,
      "sh").status)
    assert.matches("stopped in step 1, within the recipe's own code", program.read(folder .. "/err"))
    assert.matches("</html>", program.read(folder .. "/left/report.html"))
  end)

  it("ends by one ^C where it is only read, by any command", function()
    program.write(folder .. "/recipe.lua", "warn 'begun' while true do pcall(function() while true do end end) end")
    program.write(folder .. "/load.sh", [[
      rm -f err # of the command before: what it says is not what this one has come to
      "$MTL_PROGRAM" "$@" 2>err &
      until grep -qs begun err; do sleep 0.01; done
      kill -INT $!
      wait $!]])
    for _, words in ipairs { "run recipe.lua --out one", "check recipe.lua",
      "compare recipe.lua --policies uniform" } do
      local list = { "load.sh" }
      for word in words:gmatch "%S+" do
        list[#list + 1] = word
      end
      assert.equal(130, program.run(folder, list, nil, "sh").status, words)
    end
  end)
end)
