-- Pages of the manual, one for each policy, from what LDoc read in its file (scripts/comments.lua) and from its
-- definition: lua5.4 scripts/manual.lua COMMENTS FOLDER. scripts/manual calls it.
local declare = require "mtl.declare"
local mtl = require "mtl"
local arguments = require "mtl.arguments"
local param = require "mtl.param"

local comments, folder = assert(loadfile(arg[1], "t", {}))(), arg[2]

for _, page in ipairs(comments) do
  setmetatable(page, { __index = function() return "" end }) -- what a comment does not say
end

local function fail(page, message)
  io.stderr:write(("lua/mtl/%s/%s.lua: %s\n"):format(page.family, page.name, message))
  os.exit(1)
end

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  assert(file:write(text))
  assert(file:close())
end

-- Lines without the blank that follows "--".
local function lines(text)
  local list = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do
    list[#list + 1] = line:gsub("^ ", ""):gsub("%s+$", "")
  end
  return list
end

-- Paragraphs, in lines of at most 120 characters.
local function wrapped(text)
  local list = {}
  for paragraph in (table.concat(lines(text), "\n") .. "\n\n"):gmatch "(.-)\n\n+" do
    local line
    for word in paragraph:gmatch "%S+" do
      if line and utf8.len(line .. word) >= 120 then
        list[#list + 1], line = line, nil
      end
      line = line and line .. " " .. word or word
    end
    list[#list + 1] = line
    list[#list + 1] = line and ""
  end
  return (table.concat(list, "\n"):gsub("%s+$", ""))
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

local function cell(text)
  return (text:gsub("|", "\\|"):gsub("%s*\n%s*", " "))
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

local function sentence(text)
  return wrapped(text:sub(1, 1):upper() .. text:sub(2) .. (text:find "%.$" and "" or "."))
end

-- An example is a constructor, and maybe a call of its `weights`: the call, and what it gives.
local function by_hand(page)
  local call = page.usage:match "weights {" and page.usage
  if not call then
    return ""
  end
  local weights = assert(load("local policy, mtl = ... return " .. call))(mtl.policy, mtl)
  local values, formats = {}, {}
  for i, w in ipairs(weights) do
    values[i], formats[i] = ("%.6g"):format(w), "%.6g"
  end
  return ("By hand:\n\n```lua\n%s\nlocal w = %s\nprint((\"%s\"):format(table.unpack(w))) --> %s\n```"):format(
    'local policy = require("mtl").policy', call, table.concat(formats, ", "), table.concat(values, ", "))
end

local function declaration(page)
  local constructor = page.usage:match "^(.-):weights" or page.usage ~= "" and page.usage
    or ("%s.%s()"):format(page.family, page.name)
  local made, value = pcall(assert(load("local policy, mtl = ... return " .. constructor)), mtl.policy, mtl)
  return made and value or fail(page, ("@usage: %s"):format(value)), constructor
end

-- What weights() looks at in its context, so that no page says otherwise.
local function needs(page, policy)
  if page.needs ~= "" then
    return page.needs
  end
  local read = { losses = policy.positive or declare.definition(policy).total ~= nil }
  local seen = { losses = { 1, 1 }, kpis_ema = { 0.5, 0.5 }, gram = { { 1, 0 }, { 0, 1 } } }
  if policy.needs == "loss" then
    policy:new():weights(setmetatable({ tasks = { "left", "right" } }, { __index = function(_, key)
      read[key] = true
      return seen[key]
    end }))
  end
  local list = { policy.needs ~= "loss" and (policy.needs == "rows" and "gradients (rows)" or "gradients") or nil }
  list[#list + 1] = (read.kpis_ema or read.kpis) and "KPIs" or nil
  list[#list + 1] = read.losses and (policy.positive and "losses ≥ 0" or "losses") or nil
  list[#list + 1] = policy.wants_after and "a second forward pass" or nil
  return #list > 0 and table.concat(list, ", ") or "nothing"
end

local heads = { unit = "Each head gets its own task's gradient.",
  weighted = "Each head gets its own task's gradient times the task's weight." }

-- What each family's pages must say, and their index.
local families = {
  policy = { folder = "policies", needs = needs, must = { "formula", "scale", "when" }, index = [[
# Policies

How much each task weighs in a step. A recipe names one by `policy = policy.NAME { options }`, for all its stages or for
one; [recipe.md](../recipe.md#policies) has them side by side. In the formulas T is the number of the step's tasks, L
their losses, g their gradients over the shared parameters, G the Gramian of these, w the weights; d is the direction
that the shared parameters get for their gradient, Σ w g where nothing else is said.

The scale of the step is that of a sum of T gradients for some, that of a mean for others: under SGD the same learning
rate is then T times as large. Adam does not mind.

| policy | | needs | paper |
|---|---|---|---|
]] },
}

local function page_of(page, family)
  local definition = declare.definition(mtl[page.family][page.name])
  local text, options, order = options_of(page, definition)
  for _, part in ipairs(family.must) do
    if page[part] == "" then
      fail(page, ("its comment has no @%s (CONTRIBUTING.md)"):format(part))
    end
  end
  local made, call = declaration(page)
  local paper, wants = definition.paper or fail(page, "its definition has no `paper`"), family.needs(page, made)
  local blocks = {
    ("<!-- Written by scripts/manual from lua/mtl/%s/%s.lua. -->"):format(page.family, page.name),
    ("# %s.%s"):format(page.family, page.name), wrapped(page.summary .. " " .. text),
    ("In a recipe or a stage: `%s = %s`. It needs: %s."):format(page.family, call, wants)
      .. (made.needs == "loss" and "" or " " .. heads[made.heads]),
    "## Formula", "```\n" .. table.concat(lines(page.formula), "\n") .. "\n```", by_hand(page),
    "## Defaults", next(definition.params) and table_of(page, definition, options, order) or "It has no options.",
    "## Scale of the step", sentence(page.scale),
    "## When to use it", sentence("when " .. page.when),
    "## Paper", sentence(paper),
  }
  write(family.folder .. "/" .. page.name .. ".md", table.concat(blocks, "\n\n"):gsub("\n\n\n+", "\n\n") .. "\n")
  local summary = page.summary:gsub("^[^:]-%b()[^:]*:%s", ""):gsub("%.$", "")
  return ("| [%s](%s.md) | %s | %s | %s |\n"):format(page.name, page.name, cell(summary), wants, cell(paper))
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
