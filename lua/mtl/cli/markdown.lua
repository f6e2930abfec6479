--- Pages of the manual (Markdown) as lines for a terminal: paragraphs filled, tables in columns, code as it stands.
local text = require "mtl.cli.text"

-- Words without the marks of Markdown: links as their texts, no stars; `code` stays marked.
local function plain(s)
  return (s:gsub("%[([^%]]*)%]%([^%)]*%)", "%1"):gsub("%*%*(.-)%*%*", "%1"):gsub("\\|", "|"))
end

-- Adds a text in lines of at most `columns`, the first after `first`, the others after `indent`.
local function fill(out, s, columns, first, indent)
  local line, empty = first, true
  for word in plain(s):gmatch "%S+" do
    if not empty and text.width(line) + 1 + text.width(word) > columns then
      out[#out + 1] = line
      line, empty = indent, true
    end
    line, empty = line .. (empty and "" or " ") .. word, false
  end
  out[#out + 1] = line
end

local function cells(line)
  local list = {}
  for cell in line:gsub("\\|", "\1"):gsub("^%s*|", ""):gmatch "([^|]*)|" do
    list[#list + 1] = plain(cell:gsub("\1", "|")):match "^%s*(.-)%s*$"
  end
  return list
end

-- A table: all but the last cell of a row in columns, the last one filled beside them, or below where it is narrow.
local function add_table(out, rows, columns)
  local widths = {}
  for _, row in ipairs(rows) do
    for c = 1, #row - 1 do
      widths[c] = math.max(widths[c] or 0, text.width(row[c]))
    end
  end
  local left = 2
  for _, width in ipairs(widths) do
    left = left + width + 2
  end
  for _, row in ipairs(rows) do
    local first = "  "
    for c = 1, #row - 1 do
      first = first .. (left + 30 <= columns and text.pad(row[c], widths[c]) or row[c]) .. "  "
    end
    if left + 30 <= columns then
      fill(out, row[#row] or "", columns, first, (" "):rep(left))
    elseif table.concat(row):find "%S" then
      fill(out, first, columns, "  ", "      ")
      if row[#row] ~= "" then
        fill(out, row[#row], columns, "      ", "      ")
      end
    end
  end
end

--- Lines of a page. @param bold function(s) -> s, for headings
return function(page, columns, bold)
  local out, code, paragraph, rows = {}, false, nil, nil
  local function close()
    if paragraph then
      fill(out, paragraph.text, columns, paragraph.first, paragraph.indent)
    elseif rows then
      add_table(out, rows, columns)
    end
    paragraph, rows = nil, nil
  end
  for line in page:gsub("<!%-%-.-%-%->\n*", ""):gmatch "([^\n]*)\n?" do
    local heading = line:match "^#+%s+(.*)$"
    local mark = line:match "^%s*[-*] " or line:match "^%s*%d+%. "
    if line:find "^```" then
      close()
      code = not code
    elseif code or not paragraph and line:find "^    " then
      close()
      out[#out + 1] = code and "    " .. line or line
    elseif heading then
      close()
      out[#out + 1] = bold(plain(heading))
    elseif line:find "^%s*|" then
      if not rows then
        close()
        rows = {}
      end
      rows[#rows + 1] = not line:find "^[%s|:-]+$" and cells(line) or nil -- the line below the head has no words
    elseif not line:find "%S" then
      close()
      out[#out + 1] = out[#out] ~= "" and "" or nil
    elseif mark then
      close()
      paragraph = { text = line:sub(#mark + 1), first = mark, indent = (" "):rep(#mark) }
    elseif paragraph then
      paragraph.text = paragraph.text .. " " .. line
    else
      close()
      paragraph = { text = line, first = "", indent = "" }
    end
  end
  close()
  while out[#out] == "" do
    out[#out] = nil
  end
  return out
end
