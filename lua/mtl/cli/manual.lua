--- The manual at the prompt: pages are found by their title ("policy.focal"), by their path below docs/, by their name
-- alone, with "#heading" a part of one. What has no page is told by its definition; a word is looked for in all pages.
local arguments = require "mtl.arguments"
local declare = require "mtl.declare"
local param = require "mtl.param"

local manual = {}

local PREFIX = "mtl.manual."
local LONG = 150 -- lines of a page that is listed by its headings

-- The pages that the program carries, by path ("policies/focal"); none in a stock Lua.
local function paths()
  local list = {}
  for name in pairs(package.preload) do
    list[#list + 1] = name:sub(1, #PREFIX) == PREFIX and name:sub(#PREFIX + 1) or nil
  end
  table.sort(list)
  return list
end

local function read(path)
  return require(PREFIX .. path)
end

local function title(path)
  return ("\n" .. read(path)):match "\n# ([^\n]*)" or path
end

-- Paths of the pages that a topic names, the surest kind of name first.
local function find(topic)
  local by = { {}, {}, {} }
  topic = topic:lower()
  for _, path in ipairs(paths()) do
    local names = { title(path), path, path:match "[^/]*$" }
    for kind = 1, 3 do
      if names[kind]:lower() == topic then
        table.insert(by[kind], path)
        break
      end
    end
  end
  return #by[1] > 0 and by[1] or #by[2] > 0 and by[2] or by[3]
end

local function anchor(heading)
  return (heading:lower():gsub("[^%w%s_-]", ""):gsub("%s", "-"))
end

-- Calls each(line, heading, level) for the lines of a page; headings within code are none.
local function walk(page, each)
  local code = false
  for line in page:gmatch "([^\n]*)\n?" do
    local level, heading = line:match "^(#+)%s+(.*)$"
    code = code ~= (line:find "^```" ~= nil)
    each(line, not code and heading or nil, level and #level)
  end
end

-- The part of a page below a heading, up to the next one of its level; nil where there is none.
local function section(page, name)
  local found, inside, lines = nil, nil, {}
  walk(page, function(line, heading, level)
    if heading and inside and level <= inside then
      inside = nil
    end
    if heading and not found and anchor(heading) == anchor(name) then
      found, inside = true, level
    end
    if inside then
      lines[#lines + 1] = line
    end
  end)
  return found and table.concat(lines, "\n") or nil
end

-- A long page in short: what comes before its first part, and the names of the parts.
local function contents(path, page)
  local intro, list, before = {}, {}, true
  walk(page, function(line, heading, level)
    before = before and not (heading and level > 1)
    if before then
      intro[#intro + 1] = line
    elseif heading and level <= 3 then
      list[#list + 1] = ("    %shelp \"%s#%s\""):format(("  "):rep(level - 2), path, anchor(heading))
    end
  end)
  return table.concat(intro, "\n") .. "\n\nIts parts:\n\n" .. table.concat(list, "\n")
end

--- A declaration's constructor as it is called: policy.focal { gamma = 2, warm = 0, ... }
function manual.signature(definition)
  local shown, positional = {}, {}
  for _, name in ipairs(definition.positional or {}) do
    positional[name] = true
    shown[#shown + 1] = name
  end
  local at = #shown
  for _, name in ipairs(arguments.keys(definition)) do
    local default = param.default(definition.params[name])
    if name ~= definition.list and not positional[name] then
      shown[#shown + 1] = default == nil and name or ("%s = %s"):format(name, param.show(default))
    end
  end
  local list = definition.list and "{ ... }"
  local called = at > 0 and ("(%s%s)"):format(table.concat(shown, ", ", 1, at), #shown > at
    and ", { " .. table.concat(shown, ", ", at + 1) .. " }" or "") or #shown > 0 and " { " .. (list and "..., " or "")
    .. table.concat(shown, ", ") .. " }" or list and " " .. list or "()"
  return arguments.title(definition) .. called
end

-- What a definition says by itself.
local function of_definition(definition)
  local lines = { "# " .. arguments.title(definition), "", "    " .. manual.signature(definition), "",
    "| option | default | should be |", "|---|---|---|" }
  for _, name in ipairs(arguments.keys(definition)) do
    local spec = definition.params[name]
    local default = param.default(spec)
    lines[#lines + 1] = ("| %s | %s | %s |"):format(name, default ~= nil and param.show(default) or spec.required
      and "required" or "", (param.expected(spec):gsub("|", "\\|")))
  end
  lines[#lines + 1] = definition.paper and "\nPaper: " .. definition.paper
  return table.concat(lines, "\n")
end

local function constructor(topic)
  local family, name = topic:match "^([%a_]+)%.([%a_][%w_]*)$"
  local ok, value = pcall(function()
    return declare.definition(require "mtl"[family][name])
  end)
  return ok and value or nil
end

-- Lines of all pages that have a word, each with the page that it stands on.
local function search(word)
  local found, lower = {}, word:lower()
  for _, path in ipairs(paths()) do
    local n = 0
    walk(read(path), function(line)
      local at = line:lower():find(lower, 1, true)
      if at and n < 3 and #found < 24 then
        n = n + 1
        local from = math.max(at - 30, 1)
        found[#found + 1] = ("| %s | %s |"):format(path, (line:sub(from, from + 100):gsub("|", " "):gsub("[`*]", "")))
      end
    end)
  end
  return #found > 0 and ("No page is called '%s'. It is spoken of on these (help \"PAGE\"):\n\n"):format(word)
    .. table.concat(found, "\n") or nil
end

-- Families, whose names are their indexes' too.
local indexes = { loss = "losses", kpi = "kpis", metric = "metrics", policy = "policies", layer = "layers",
  nn = "layers" }

--- Markdown about a topic, or nil: there is nothing.
function manual.topic(topic)
  topic = indexes[topic:lower()] or topic
  local name, part = topic:match "^(.-)#(.+)$"
  local found = find(name or topic)
  if #found == 1 then
    local page = read(found[1])
    local _, lines = page:gsub("\n", "\n")
    return part and section(page, part) or lines > LONG and contents(found[1], page) or page
  elseif #found > 1 then
    local list = {}
    for i, path in ipairs(found) do
      list[i] = ("    help \"%s\""):format(title(path))
    end
    return ("Several pages are called '%s':\n\n%s"):format(topic, table.concat(list, "\n"))
  end
  local definition = constructor(topic)
  return definition and of_definition(definition) or search(topic)
end

--- Titles of all pages, for completion.
function manual.topics()
  local list = {}
  for i, path in ipairs(paths()) do
    local name = title(path)
    list[i] = name:find "^[%w_%.]+$" and name or path
  end
  return list
end

return manual
