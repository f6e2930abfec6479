-- Writes the man page and the completions of bash and zsh, all from the command line's own tables:
-- mtl lua scripts/pages.lua FOLDER
local cli = require "mtl.cli"
local core = require "mtl.core"
local folder = assert(arg[1], "usage: mtl lua scripts/pages.lua FOLDER")

local function write(name, lines)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  assert(file:write(table.concat(lines, "\n"), "\n"))
  assert(file:close())
end

local commands = {}
for i, name in ipairs(cli.commands) do
  commands[i] = cli.command(name)
end

-- Text as roff takes it: backslashes and hyphens escaped, no line that begins with a control character.
local function roff(text)
  return (text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n([.'])", "\n\\&%1"):gsub("^([.'])", "\\&%1"))
end

local function option_text(option)
  local value = option.value and (option.optional and "[=%s]" or " %s"):format(option.value) or ""
  return (option.short and "-" .. option.short .. ", " or "") .. "--" .. option.name .. value
end

local function man()
  local lines = { (".TH MTL 1 \"\" \"mtl %s\" \"multi-task learning\""):format(core.VERSION), ".SH NAME",
    "mtl \\- trains one network on several tasks at once, from a recipe of one page of Lua", ".SH SYNOPSIS" }
  for _, command in ipairs(commands) do
    for _, usage in ipairs(command.usage) do
      lines[#lines + 1] = roff(usage)
      lines[#lines + 1] = ".br"
    end
  end
  lines[#lines + 1] = ".SH COMMANDS"
  for _, command in ipairs(commands) do
    lines[#lines + 1] = (".SS mtl %s"):format(command.name)
    lines[#lines + 1] = roff(command.summary:sub(1, 1):upper() .. command.summary:sub(2)) .. "."
    for _, option in ipairs(command.options or {}) do
      lines[#lines + 1] = ".TP\n.B " .. roff(option_text(option)) .. "\n" .. roff(option.help)
    end
    if command.notes then
      lines[#lines + 1] = ".PP\n" .. roff((command.notes:gsub("^%s+", "")))
    end
  end
  lines[#lines + 1] = [[
.SH EXIT STATUS
0 done; 1 the recipe, the data or the call is wrong; 2 training failed; 130 after ^C, 143 after SIGTERM, with a
checkpoint saved.
.SH ENVIRONMENT
.TP
.B MTL_HOME
the folder that holds the data sets that ship with mtl
.TP
.B OMP_NUM_THREADS
threads, unless \-\-threads says
.SH SEE ALSO
mtl help COMMAND, and the manual that is installed with mtl, in share/doc/mtl.]]
  return lines
end

local function names(list, format)
  local texts = {}
  for i, entry in ipairs(list or {}) do
    texts[i] = format(entry)
  end
  texts[#texts + 1] = format { name = "help", help = "how the command is called" }
  return texts
end

local function bash()
  local lines = { "# bash completion of mtl", "_mtl() {", "  local word=${COMP_WORDS[COMP_CWORD]} options=",
    "  COMPREPLY=()", "  if [ \"$COMP_CWORD\" -eq 1 ]; then" }
  local words = {}
  for i, command in ipairs(commands) do
    words[i] = command.name
  end
  lines[#lines + 1] = ("    mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\")"):format(table.concat(words, " "))
  lines[#lines + 1] = "    return\n  fi\n  case ${COMP_WORDS[1]} in"
  for _, command in ipairs(commands) do
    lines[#lines + 1] = ("    %s) options='%s' ;;"):format(command.name,
      table.concat(names(command.options, function(option) return "--" .. option.name end), " "))
  end
  lines[#lines + 1] = "  esac\n  case $word in"
  lines[#lines + 1] = "    -*) mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\") ;;"
  lines[#lines + 1] = "    *) compopt -o default ;;\n  esac\n}\ncomplete -F _mtl mtl"
  return lines
end

-- A text within single quotes, as zsh's _arguments takes it.
local function zsh_text(text)
  return (text:gsub("'", "'\\''"):gsub("([%[%]:])", "\\%1"))
end

local function zsh()
  local lines = { "#compdef mtl", "local -a commands", "commands=(" }
  for _, command in ipairs(commands) do
    lines[#lines + 1] = ("  '%s:%s'"):format(command.name, zsh_text(command.summary))
  end
  lines[#lines + 1] = ")\nif (( CURRENT == 2 )); then\n  _describe command commands\n  return\nfi\ncase $words[2] in"
  for _, command in ipairs(commands) do
    local list = names(command.options, function(option)
      local value = option.value and (":%s:_files"):format(zsh_text(option.value)) or ""
      local many = option.many and "*" or ""
      return ("'%s--%s[%s]%s'"):format(many, option.name .. (option.value and "=" or ""), zsh_text(option.help), value)
    end)
    lines[#lines + 1] = ("  %s) _arguments %s '*:file:_files' ;;"):format(command.name, table.concat(list, " "))
  end
  lines[#lines + 1] = "esac"
  return lines
end

write("mtl.1", man())
write("mtl.bash", bash())
write("_mtl", zsh())
