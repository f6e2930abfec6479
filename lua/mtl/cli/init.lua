--- The command line: mtl COMMAND ... Each command is a file beside this one, with its name, summary, usage, arguments,
-- options and run(options, rest, argv) -> exit status (nil: 0). Every error becomes one line on stderr.
local core = require "mtl.core"
local failure = require "mtl.failure"
local nearest = require "mtl.nearest"
local text = require "mtl.cli.text"

local cli = {}

--- In the order of `mtl help`.
cli.commands = { "new", "run", "check", "eval", "compare", "predict", "runs", "report", "pack", "show",
  "unpack", "verify", "keygen", "repl", "lua", "devices", "version", "help" }

local files = { show = "show_bundle" } -- show.lua is how the prompt shows values

--- The command of this name; an error that offers the nearest otherwise.
function cli.command(name)
  for _, known in ipairs(cli.commands) do
    if name == known then
      return require("mtl.cli." .. (files[name] or name))
    end
  end
  local near = nearest.find(name, cli.commands)
  error(("there is no command '%s'%s"):format(name, near and ("; did you mean 'mtl %s'?"):format(near)
    or "; 'mtl help' lists them"), 0)
end

local also = { ["--help"] = "help", ["-h"] = "help", ["--version"] = "version" }

local function dispatch(argv)
  local name = argv[1] or "help"
  local command = cli.command(also[name] or name)
  local options, rest = require("mtl.cli.args").parse(command, argv, 2)
  if options.help then
    command, rest = require "mtl.cli.help", { command.name }
  end
  if core.isatty(2) and not options.quiet then
    core.tell_of_builds()
  end
  return command.run(options, rest, argv)
end

local debugging = (os.getenv "MTL_DEBUG" or "0") ~= "0"

-- An error that only mtl itself can be blamed for keeps its place; for any other, mtl's own files say nothing.
local function without_place(message)
  return message:find "attempt to " and message or (message:gsub("^mtl/[%w_/]+%.lua:%d+: ", ""))
end

--- Writes an error as one line on stderr; returns the exit status. @param cap of memory, where it was lifted since
function cli.report(e, cap)
  local message, status = failure.describe(e, cap)
  core.memory_limit(0) -- what used it up may still be held
  if type(e) == "table" and not failure.is(e) and not (getmetatable(e) or {}).__tostring then
    message = "the recipe raised an error that is a table, not a text"
  end
  io.stderr:write("mtl: ", text.clean(without_place(message)), "\n")
  return status
end

--- Runs a call. @param argv as Lua's arg: argv[0] is the program
-- @return exit status
function cli.main(argv)
  local trace
  local ok, result = xpcall(function()
    local status = dispatch(argv) or 0
    local written, message = io.stdout:flush()
    return written and status or error("standard output: " .. message, 0)
  end, function(e)
    trace = debugging and debug.traceback(nil, 2)
    return e
  end)
  if ok then
    return result
  end
  io.stdout:flush()
  local status = cli.report(result)
  if trace then
    io.stderr:write(trace, "\n")
  end
  return status
end

return cli
