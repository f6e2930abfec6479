--- What the pages of the manual are made of: lines, paragraphs, sentences, cells of tables, code with what it prints.
local prose = {}

--- Ends with a message about the file that a page is of.
function prose.fail(page, message)
  io.stderr:write(("%s: %s\n"):format(page.file, message))
  os.exit(1)
end

--- Lines without the blank that follows "--".
function prose.lines(text)
  local list = {}
  for line in (text .. "\n"):gmatch "(.-)\n" do
    list[#list + 1] = line:gsub("^ ", ""):gsub("%s+$", "")
  end
  return list
end

--- Paragraphs, in lines of at most 120 characters.
function prose.wrapped(text)
  local list = {}
  for paragraph in (table.concat(prose.lines(text), "\n") .. "\n\n"):gmatch "(.-)\n\n+" do
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

function prose.sentence(text)
  return prose.wrapped(text:sub(1, 1):upper() .. text:sub(2) .. (text:find "%.$" and "" or "."))
end

function prose.cell(text)
  return (text:gsub("|", "\\|"):gsub("%s*\n%s*", " "))
end

--- Code, and what it prints.
function prose.run(code)
  local printed
  assert(load(code, "=example", "t", setmetatable({ print = function(text) printed = text end }, { __index = _G })))()
  return ("By hand:\n\n```lua\n%s --> %s\n```"):format(code, printed)
end

return prose
