--- mtl help [COMMAND]
local text = require "mtl.cli.text"

local function overview(cli)
  local rows = {}
  for i, name in ipairs(cli.commands) do
    rows[i] = { "  " .. name, cli.command(name).summary }
  end
  return ([[
mtl trains one network on several tasks at once, from a recipe of one page of Lua.

usage: mtl COMMAND [ARGUMENTS]

%s

'mtl help COMMAND' (or 'mtl COMMAND --help') says more.
Exit status: 0 done; 1 the recipe, the data or the call is wrong; 2 training failed; 130 after ^C, 143 after SIGTERM,
with a checkpoint saved.]]):format(table.concat(text.table(rows, {}), "\n"))
end

local function of_command(command)
  local lines = { ("mtl %s: %s"):format(command.name, command.summary), "" }
  for i, usage in ipairs(command.usage) do
    lines[#lines + 1] = (i == 1 and "usage: " or "       ") .. usage
  end
  local rows = {}
  for _, option in ipairs(command.options or {}) do
    local value = option.value and (option.optional and "[=%s]" or " %s"):format(option.value) or ""
    rows[#rows + 1] = { "  " .. (option.short and "-" .. option.short .. ", " or "") .. "--" .. option.name .. value,
      option.help }
  end
  rows[#rows + 1] = { "  --help", "this page" }
  lines[#lines + 1] = ""
  table.move(text.table(rows, {}), 1, #rows, #lines + 1, lines)
  if command.notes then
    lines[#lines + 1] = "\n" .. command.notes
  end
  return table.concat(lines, "\n")
end

return {
  name = "help",
  summary = "what there is, or how a command is called",
  usage = { "mtl help [COMMAND]" },
  arguments = { "COMMAND", least = 0 },
  run = function(_, rest)
    local cli = require "mtl.cli"
    text.say(rest[1] and of_command(cli.command(rest[1])) or overview(cli))
  end,
}
