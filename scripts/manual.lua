-- Pages of the manual, one for each policy, KPI, loss, metric and layer, from what LDoc read in its file (layers:
-- scripts/layers.lua) and from its definition: lua5.4 scripts/manual.lua COMMENTS FOLDER. scripts/manual calls it.
local declare = require "mtl.declare"
local families = require "families"
local mtl = require "mtl"
local arguments = require "mtl.arguments"
local param = require "mtl.param"
local prose = require "prose"

local cell, fail, lines, sentence, wrapped = prose.cell, prose.fail, prose.lines, prose.sentence, prose.wrapped

local comments, folder = assert(loadfile(arg[1], "t", {}))(), arg[2]

table.move(require "layers", 1, #require "layers", #comments + 1, comments)
table.sort(comments, function(a, b) return a.name < b.name end)
for _, page in ipairs(comments) do
  page.file = page.file or ("lua/mtl/%s/%s.lua"):format(page.family, page.name)
  setmetatable(page, { __index = function() return "" end }) -- what a comment does not say
end

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  assert(file:write(text))
  assert(file:close())
end

-- Takes the indented lines "  name  default  words" out of a comment; returns the rest, them by name, and the names in
-- their order.
local function options_of(page, definition)
  local rest, options, order, last = {}, {}, {}, nil
  for _, line in ipairs(lines(page.text)) do
    local name, words = line:match "^  ([%a_][%w_]*)%s%s+(.+)$"
    if name then
      if not definition.params[name] then
        fail(page, ("its comment speaks of an option %s, which its definition does not have"):format(name))
      end
      local default, after = words:match "^(%S+)%s%s+(.*)$"
      last = { default = default, words = after or words }
      options[name], order[#order + 1] = last, name
    elseif last and line:match "^   +%S" then
      last.words = last.words .. " " .. line:match "^%s*(.*)$"
    else
      rest[#rest + 1], last = line, nil
    end
  end
  return table.concat(rest, "\n"):gsub("\n\n\n+", "\n\n"):gsub("%s+$", ""), options, order
end

local function shown(value)
  return (param.show(value):gsub("'", '"'))
end

-- Whether a default as the comment writes it (1e-3) is the definition's.
local function same(said, value)
  return said == shown(value) or tonumber(said) ~= nil and tonumber(said) == tonumber(value)
end

local function table_of(page, definition, options, order)
  local seen, rows = {}, { "| option | default | may be | |", "|---|---|---|---|" }
  for _, name in ipairs(order) do
    seen[name] = true
  end
  for _, name in ipairs(arguments.keys(definition)) do
    order[#order + 1] = not seen[name] and name or nil
  end
  for _, name in ipairs(order) do
    local spec, option = definition.params[name], options[name]
    if not option then
      fail(page, ("its comment does not say what the option %s is"):format(name))
    end
    if spec.default ~= nil and option.default and not same(option.default, spec.default) then
      fail(page, ("the comment says that the default of %s is %s, but it is %s"):format(name, option.default,
        shown(spec.default)))
    end
    local default = spec.default ~= nil and "`" .. shown(spec.default) .. "`"
      or spec.required and "required" or option.default or ""
    local may_be = param.expected(spec):gsub("'", '"')
    rows[#rows + 1] = ("| `%s` | %s | %s | %s |"):format(name, cell(default), cell(may_be), cell(option.words))
  end
  return table.concat(rows, "\n")
end

local function declaration(page)
  local constructor = page.usage:match "^(.-):weights" or page.usage ~= "" and page.usage
    or ("%s.%s()"):format(page.family, page.name)
  local code = ("local %s, mtl = ... return %s"):format(page.family, constructor)
  local made, value = pcall(assert(load(code)), mtl[page.family], mtl)
  return made and value or fail(page, ("@usage: %s"):format(value)), constructor
end

local function page_of(page, family)
  local definition = declare.definition(mtl[page.family][page.name])
  local text, options, order = options_of(page, definition)
  for _, part in ipairs(family.must) do
    if page[part] == "" then
      fail(page, ("its comment has no @%s (CONTRIBUTING.md)"):format(part))
    end
  end
  local made, call = declaration(page)
  local paper = definition.paper or page.family ~= "policy" and "" or fail(page, "its definition has no `paper`")
  local blocks = {
    ("<!-- Written by scripts/manual from %s. -->"):format(page.file),
    ("# %s.%s"):format(page.family, page.name), wrapped(page.summary .. " " .. text),
    family.place(page, made, call),
    page.formula == "" and "" or "## Formula\n\n```\n" .. table.concat(lines(page.formula), "\n") .. "\n```",
    family.by_hand(page, call),
    "## Defaults", next(definition.params) and table_of(page, definition, options, order) or "It has no options.",
  }
  for _, section in ipairs(family.sections) do
    table.move({ "## " .. section[1], section[2](page, made) }, 1, 2, #blocks + 1, blocks)
  end
  if paper ~= "" then
    table.move({ "## Paper", sentence(paper) }, 1, 2, #blocks + 1, blocks)
  end
  write(family.folder .. "/" .. page.name .. ".md", table.concat(blocks, "\n\n"):gsub("\n\n\n+", "\n\n") .. "\n")
  local summary = page.summary:gsub("^[^:]-%b()[^:]*:%s", ""):gsub("%.$", "")
  return ("| [%s](%s.md) | %s | %s |%s\n"):format(page.name, page.name, cell(summary), family.column(page, made),
    family.papers and (" %s |"):format(cell(paper)) or "")
end

for _, name in ipairs(mtl.nn.names()) do
  local known = false
  for _, page in ipairs(comments) do
    known = known or page.family == "nn" and page.name == name
  end
  if not known then
    io.stderr:write(("core/layer: no comment begins with \"/** nn.%s:\" (CONTRIBUTING.md)\n"):format(name))
    os.exit(1)
  end
end

local index = {}
for _, page in ipairs(comments) do
  if page.name ~= "init" then
    index[page.family] = (index[page.family] or "") .. page_of(page, families[page.family])
  end
end
for name, rows in pairs(index) do
  write(families[name].folder .. "/README.md", "<!-- Written by scripts/manual. -->\n" .. families[name].index .. rows)
end
