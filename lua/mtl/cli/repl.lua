--- mtl repl [RUN]: a prompt. On a terminal with line editing and a history; else the lines of standard input are run in
-- silence, up to the first error.
local core = require "mtl.core"
local cli = require "mtl.cli"
local path = require "mtl.path"
local show = require "mtl.cli.show"

local at_hand = { "nn", "loss", "kpi", "metric", "policy", "optim", "when" }

-- $XDG_STATE_HOME/mtl/history, its folder for its owner alone; nil where there is no place for one.
local function history_file()
  local state, home = os.getenv "XDG_STATE_HOME", os.getenv "HOME"
  local base = state and state:match "^/" and state or home and home:match "^/" and path.join(home, ".local/state")
  if not base or not pcall(core.mkdir, base) then
    return nil
  end
  local folder = path.join(base, "mtl")
  return core.private_folder(folder) and path.join(folder, "history") or nil
end

-- A chunk of the lines so far: an expression if it is one.
-- @return function; or nil, the message, and whether more lines could make it whole
local function compile(text)
  local value, not_value = load("return " .. text, "=prompt", "t")
  local chunk, message = value, nil
  if not value then
    chunk, message = load(text, "=prompt", "t")
  end
  return chunk, message, not chunk and (not_value .. message):find "near <eof>" ~= nil
end

-- Reads one chunk. read(more) gives a line, nil at the end, false after ^C.
-- @return function | nil at the end | false where there is nothing to run, and then what is wrong
local function read_chunk(read)
  local text
  while true do
    local line = read(text ~= nil)
    if line == false or line == nil and not text then
      return line
    end
    text = text and line and text .. "\n" .. line or text or line
    if not text:find "%S" then
      return false
    end
    local chunk, message, more = compile(text)
    if chunk then
      return chunk
    elseif line == nil or not more then
      return false, message
    end
  end
end

-- Prints what a chunk returned; the values stay as _1, _2, ...
local function print_values(ok, ...)
  if ok then
    local shown = {}
    for i = 1, select("#", ...) do
      local value = select(i, ...)
      _G["_" .. i] = value
      shown[i] = show(value)
    end
    if #shown > 0 then
      print(table.concat(shown, "\t"))
    end
  end
  return ok, ...
end

local function interactive()
  local prompt = core.prompt(history_file())
  local banner = ("mtl %s (%s): mtl, %s%s. ^C interrupts, ^D leaves."):format(core.VERSION, _VERSION,
    table.concat(at_hand, ", "), _G.run and ", run" or "")
  print(banner)
  while true do
    local chunk, wrong = read_chunk(function(more)
      local line = prompt:read(more and ">> " or "> ")
      local word = not more and line and line:match "^%s*(%l+)%s*$" -- what other prompts know, unless it is a variable
      word = _G[word or ""] == nil and word
      if word == "exit" or word == "quit" then
        return nil
      elseif word == "help" then
        print(banner .. "\nAn expression prints its value. docs/lua.md says what there is.")
        return ""
      elseif line and line:find "%S" then
        prompt:add(line)
      elseif line == false then
        print "^C"
      end
      return line
    end)
    if chunk == nil then
      print()
      return
    elseif chunk then
      local ok, message, pressed = print_values(core.interruptible(chunk))
      if not ok and pressed then
        io.stderr:write "interrupted\n"
      elseif not ok then
        cli.report(message)
      end
      core.recording(true) -- an error may have left it off
    elseif wrong then
      cli.report(wrong)
    end
    io.stdout:flush()
  end
end

local function piped()
  local number = 0
  while true do
    local chunk, wrong = read_chunk(function()
      number = number + 1
      return (io.read "l")
    end)
    if wrong then
      error(wrong:gsub("^prompt:%d+: ", ("standard input, line %d: "):format(number)), 0)
    elseif chunk then
      print_values(true, chunk())
    elseif chunk == nil then
      return
    end
  end
end

return {
  name = "repl",
  summary = "a prompt",
  usage = { "mtl repl [RUN]" },
  arguments = { "RUN", least = 0 },
  notes = [[
A line is run when it is whole; an expression prints its values, which stay as _1, _2, ... Variables without `local`
stay too. With RUN, `run` is mtl.load(RUN). The lines are kept in ~/.local/state/mtl/history (XDG_STATE_HOME). Where
standard input is no terminal, its lines are run without a prompt, and the first error ends it with status 1.]],
  run = function(_, rest)
    local mtl = require "mtl"
    _G.mtl = mtl
    for _, name in ipairs(at_hand) do
      _G[name] = mtl[name]
    end
    if rest[1] then
      _G.run = mtl.load(rest[1])
    end
    return (core.isatty(0) and core.isatty(1) and interactive or piped)()
  end,
}
