--- A page of the manual, done as it says, block by block, in a folder that looks like a checkout:
--   lua      run by mtl, and prints what it says after "-->"; where it begins with "-- file: NAME" it is written there
--   sh       run; mtl is the program, build/mtl too
--   console  a conversation with mtl repl, as spec/pty.c takes it; begins with "$ mtl repl ARGUMENTS"
--   json     is JSON
-- text, python and c are not run: what a command prints, what others write, and what spec/install.sh builds.
-- A fence may say more:
--   ```sh (run with: --seeds 3)         each of its commands gets these arguments behind its own: it would take hours
--   ```sh (run by: spec/checkout.sh)    that test of spec/CMakeLists.txt runs it
--   ```sh (not run: it wants two GPUs)  nothing does: it is listed as pending, with the reason
local core = require "mtl.core"
local luassert = require "luassert"
local program = dofile "spec/support/program.lua"

local page = {}

-- A list of { kind =, note =, body =, line = }.
local function blocks(file)
  local list, block, number, before = {}, nil, 0, ""
  for line in program.read(file):gmatch "([^\n]*)\n" do
    number = number + 1
    local kind, note = line:match "^```(%l*) ?(.*)$"
    if block and line == "```" then
      list[#list + 1], block = block, nil
    elseif block then
      block.body = block.body .. line .. "\n"
    elseif kind then
      block = { kind = kind, note = note, body = "", line = number }
    elseif line:find "^    " and before == "" then
      error(("%s:%d: code stands between fences that say what it is, as ```sh"):format(file, number))
    end
    before = line
  end
  assert(not block, file .. ": a block has no end")
  return list
end

local function run(folder, script)
  local r = program.run(folder, { "-c", "set -e\n" .. script }, 'PATH="$PWD/build:$PATH"', "/bin/sh")
  luassert.equal("", r.err)
  luassert.is_true(r.status == 0, ("status %d\n%s"):format(r.status, r.out))
  return r.out
end

local kinds = {}

function kinds.lua(folder, body)
  local name, said = body:match "^%-%- file: (%S+)\n", {}
  program.write(folder .. "/" .. (name or "block.lua"), body)
  if name then
    return
  end
  for line in body:gmatch "%-%-> ([^\n]*)" do
    said[#said + 1] = line .. "\n"
  end
  local printed = run(folder, "mtl lua block.lua")
  luassert.equal(table.concat(said), #said > 0 and printed or "")
end

kinds.sh = run

function kinds.console(folder, body)
  local arguments, conversation = body:match "^%$ mtl repl *([^\n]*)\n(.*)$"
  luassert.is_string(arguments, "it begins with $ mtl repl")
  program.write(folder .. "/conversation", conversation .. "! end\n")
  luassert.equal("", run(folder, ("TERM=xterm LANG=C.UTF-8 XDG_STATE_HOME=\"$PWD\" '%s' conversation build/mtl repl %s")
    :format(os.getenv "MTL_PTY", arguments)))
end

function kinds.json(_, body)
  luassert.is_table(core.json_decode(body))
end

-- Commands, a line each, with more arguments.
local function with(body, arguments)
  return (body:gsub("\\\n%s*", ""):gsub("%s+# [^\n]*", ""):gsub("\n", " " .. arguments .. "\n"))
end

local silent = { text = true, python = true, c = true, [""] = true }

--- A folder as a checkout is, but that its recipes train for two steps in place of their epochs.
function page.folder()
  local folder, here = program.folder(), core.realpath "."
  local built = core.realpath(assert(os.getenv "MTL_PROGRAM")):match "^(.*)/"
  core.mkdir(folder .. "/recipes")
  for _, name in ipairs(core.listdir "recipes") do
    local text = program.read("recipes/" .. name)
    program.write(folder .. "/recipes/" .. name, (text:gsub("when%.epochs%(%d+%)", "when.steps(2)")))
  end
  run(folder, ("for f in datasets lua scripts; do ln -s '%s'/$f .; done; ln -s '%s' build; mkdir docs runs")
    :format(here, built))
  return folder
end

page.remove = program.remove

--- Defines a test for each block of a page. @param folder where they work, made when the first of them runs
-- @param busted its `it` and `pending`, which only specs see
function page.test(file, folder, busted)
  for _, block in ipairs(blocks(file)) do
    local name, how, said = ("%s, line %d"):format(file, block.line), block.note:match "^%((%l+ %l+): (.+)%)$"
    assert(block.note == "" or said, file .. ": " .. block.note)
    if how == "not run" then
      busted.pending(name .. ": " .. said)
    elseif how == "run by" then
      busted.it(name .. " is run by " .. said, function()
        luassert.matches(said:match "^spec/(.*)$", program.read "spec/CMakeLists.txt", nil, true)
        luassert.matches(file, program.read(said), nil, true)
      end)
    elseif how == "run with" and block.kind == "sh" then
      busted.it(name .. ", with " .. said, function()
        kinds.sh(folder, with(block.body, said))
      end)
    elseif how then
      error(("%s: '%s' should be not run, run by or, of sh, run with"):format(name, how))
    elseif kinds[block.kind] then
      busted.it(name, function()
        kinds[block.kind](folder, block.body)
      end)
    else
      assert(silent[block.kind], ("%s: nothing runs '%s'"):format(name, block.kind))
    end
  end
end

return page
