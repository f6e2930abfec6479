--- mtl repl [RECIPE|RUN]: a prompt. On a terminal with line editing, a history and completion; else the lines of
-- standard input are run in silence, up to the first error.
local core = require "mtl.core"
local chunk = require "mtl.cli.chunk"
local cli = require "mtl.cli"
local open = require "mtl.cli.open"
local place = require "mtl.place"
local state = require "mtl.state"
local text = require "mtl.cli.text"

local kept = 0 -- values of the last result

-- Prints what a piece of code returned; the values stay as _ (the first) and _1, _2, ...
local function print_values(values)
  local shown, show = {}, require "mtl.cli.show"
  for i = 1, values.n do
    shown[i] = show(values[i])
  end
  if values.n > 0 then
    for i = 1, math.max(values.n, kept) do
      _G["_" .. i] = values[i]
    end
    _G._, kept = values[1], values.n
    print(table.concat(shown, "\t"))
  end
end

-- Runs a piece of what was typed, all of it: printing too may take long, or fail. @param cap of memory
local function run(hand, piece, cap)
  if cap and core.memory().limit ~= cap then
    core.memory_limit(cap)
  end
  if piece.device then
    print(hand:device(piece.device ~= true and piece.device or nil))
    return
  end
  local began = core.clock()
  local values = table.pack(piece.run())
  local seconds = core.clock() - began
  print_values(values)
  if piece.timed then
    print(text.seconds(seconds))
  end
  hand.note = hand:sync() or hand.note
end

-- Where an error came from, among what is not mtl's: the innermost place first.
local function places()
  local list = {}
  for level = 3, 40 do
    local info = debug.getinfo(level, "Sl")
    if not info then
      break
    elseif info.currentline > 0 and info.source:sub(1, #place.own) ~= place.own then
      list[#list + 1] = ("%s:%d"):format(info.short_src, info.currentline)
    end
  end
  return list
end

-- Says what went wrong, and how it came to that where one line of input does not say it.
-- @param list of places; pressed: whether ^C was; cap: of memory, as it was then
local function report(message, list, pressed, cap)
  io.stdout:flush()
  local plain = tostring(message)
  local first = list[1] or "prompt:1"
  if plain:sub(1, #first + 2) == first .. ": " then
    table.remove(list, 1)
  end
  if pressed then
    io.stderr:write "\r\27[K\27[?25h" -- "^C" stands there, and what was drawn may have hidden the cursor
  end
  if pressed and plain:find "interrupted" then
    io.stderr:write(plain:find "^interrupted" and plain or "interrupted", "\n")
  else
    cli.report(message, cap)
  end
  if #list > 1 or #list == 1 and list[1] ~= "prompt:1" then
    io.stderr:write("  at ", text.clean(table.concat(list, ", from ", 1, math.min(#list, 5))), "\n")
  end
end

-- Reads lines with editing. The lines of a piece of code go to the history as one where that can be, once it is whole.
local function reader(prompt)
  local complete = require "mtl.cli.complete"
  local function read(before)
    local line = prompt:read(before and ">> " or "> ", function(start)
      return complete.tab(before and before .. "\n" or "", start, _G, core.columns(1) or 80)
    end)
    local word = not before and line and line:match "^%s*(%l+)%s*$" -- what other prompts know, unless it is a variable
    if line == false then
      print "^C"
    elseif (word == "exit" or word == "quit") and _G[word] == nil then
      return nil
    end
    return line
  end
  local function remember(lines)
    local one = #lines > 1 and chunk.joined(lines)
    for _, line in ipairs(one and { one } or lines) do
      if line:find "%S" then
        prompt:add(line)
      end
    end
  end
  return read, remember
end

-- ^C reaches what runs in a coroutine.
local function interrupt_coroutines()
  coroutine.resume, coroutine.wrap, coroutine.close = core.box.resume, core.box.wrap, core.box.close -- luacheck: ignore
end

local function run_interruptible(hand, piece, cap)
  local list, pressed = {}, false
  local caught, ok, message = core.interruptible(xpcall, run, function(e)
    list, pressed = places(), core.interrupted() ~= nil
    return e
  end, hand, piece, cap)
  if not (caught and ok) then
    core.memory_limit(0) -- what used it up may still be held; the next piece has the cap again
    report(caught and message or ok, list, pressed, cap)
    core.recording(true) -- the error may have left it off
    collectgarbage "incremental"
  elseif hand.note then
    print(hand.note)
  end
  hand.note = nil
end

local function interactive(hand)
  local read, remember = reader(core.prompt(state "history"))
  local names, cap = hand:names(), core.memory().limit
  print(("mtl %s (%s): mtl, %s%s. `help` says more, ^D leaves."):format(core.VERSION, _VERSION,
    table.concat(hand.parts, ", "), #names > 0 and "; " .. table.concat(names, ", ") or ""))
  while true do
    local piece, wrong, lines = chunk.read(read, "=prompt")
    if piece ~= nil then
      remember(lines)
    end
    if piece then
      run_interruptible(hand, piece, cap)
    elseif wrong then
      report(wrong, {})
    elseif piece == nil then
      print()
      return
    end
    io.stdout:flush()
  end
end

local function piped(hand)
  local number = 0
  local function read()
    number = number + 1
    return (io.read "l")
  end
  while true do
    local piece, wrong = chunk.read(read, "=standard input", function() return number end)
    if piece then
      run(hand, piece)
    elseif wrong then
      error(wrong, 0)
    elseif piece == nil then
      return
    end
  end
end

return {
  name = "repl",
  summary = "a prompt",
  usage = { "mtl repl [RECIPE|RUN] [OPTIONS]" },
  arguments = { "RECIPE|RUN", least = 0 },
  options = { open.options.set, open.options.seed, open.options.device, open.options.threads, open.options.data,
    open.options.memory, open.options.trust },
  notes = [[
A line is run when it is whole; an expression prints its values, which stay as _ (the first), _1, _2, ... Tab completes
names, fields, methods, keys of recipes and file names. ^C interrupts what runs. `help` tells what there is at the
prompt, help "policy.focal" shows a page of the manual. %time CODE, %load FILE, %device [NAME].

With a recipe or a run, `model`, batch(), step(n), evaluate() and plot() are at hand, and `policy = policy.pcgrad()`
weighs in another way from the next step on; nothing is written. The options are those of mtl run; a run has its own
settings.

The lines are kept in ~/.local/state/mtl/history (XDG_STATE_HOME). Where standard input is no terminal, its lines are
run without a prompt, and the first error ends it with status 1. docs/repl.md shows it all.]],
  run = function(options, rest)
    options.data = open.data_folder(options.data)
    interrupt_coroutines()
    local hand = require "mtl.cli.hand".new(_G, rest[1], options)
    return (core.isatty(0) and core.isatty(1) and interactive or piped)(hand)
  end,
}
