--- mtl lua FILE [ARGS]: as lua5.4 runs it, with every right; mtl is also a global.
return {
  name = "lua",
  summary = "run a Lua script, with mtl at hand",
  usage = { "mtl lua FILE [ARGS]" },
  arguments = { "FILE" },
  script = true,
  notes = [[
FILE '-' is standard input. ARGS, options too, are the script's: they stand in `arg`. The script runs as lua5.4 would
run it, with all that a Lua program may do; require "mtl" finds the modules of this program, and mtl is a global too.]],
  run = function(_, rest, argv)
    local n = #argv - #rest + 1 -- where FILE stands
    local script_arg = {}
    for i = 0, #argv do
      script_arg[i - n] = argv[i]
    end
    _G.arg = script_arg
    local chunk, message = loadfile(rest[1] ~= "-" and rest[1] or nil)
    if not chunk then
      error(message, 0)
    end
    _G.mtl = require "mtl"
    chunk(table.unpack(rest, 2))
  end,
}
