--- What comments say about layers, as scripts/comments.lua has it of Lua's files: those of C that begin with
-- "/** nn.NAME:" stand above a layer's type in core/layer/*.c. For scripts/manual.lua.
local core = require "mtl.core"

local FOLDER = "core/layer/"

-- The text, and by name what stands behind each @tag.
local function parse(comment, file, name)
  local page, tag = { family = "nn", name = name, file = file, text = {} }, "text"
  for line in (" " .. comment:gsub("\n  ", "\n") .. "\n"):gmatch "(.-)\n" do
    local found, rest = line:match "^ @(%l+)( .*)$"
    tag, line = found or tag, rest or line
    page[tag] = page[tag] or {}
    table.insert(page[tag], line)
  end
  for key, value in pairs(page) do
    page[key] = type(value) == "table" and table.concat(value, "\n"):gsub("^ ", "") or value
  end
  local summary, text = page.text:match "^(.-%.)(%s.*)$"
  page.summary, page.text = summary or page.text, text or ""
  return page
end

local pages = {}
for _, file in ipairs(core.listdir(FOLDER)) do
  local handle <close> = assert(io.open(FOLDER .. file))
  for name, comment in handle:read("a"):gmatch "/%*%* nn%.([%w_]+): (.-)%s*%*/" do
    pages[#pages + 1] = parse(comment, FOLDER .. file, name)
  end
end
table.sort(pages, function(a, b) return a.name < b.name end)
return pages
