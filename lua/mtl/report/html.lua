--- HTML of a report: what people wrote is text in it, whatever it holds.
local svg = require "mtl.svg"
local text = require "mtl.cli.text"

local html = {}

local MOST = 400 -- characters of a cell

-- Marks that change the direction of writing could make a text look like another one.
local function plain(s)
  return (s:gsub("\226\128[\170-\174]", "\239\191\189"):gsub("\226\129[\166-\169]", "\239\191\189"))
end

--- One line of text.
function html.text(s)
  return svg.escaped(plain(text.cut(tostring(s), MOST)))
end

--- Lines of text, as for a <pre>.
function html.block(s)
  local lines = {}
  for line in (s:gsub("\r\n?", "\n"):gsub("\t", "    ") .. "\n"):gmatch "([^\n]*)\n" do
    lines[#lines + 1] = svg.escaped(plain(line))
  end
  while lines[#lines] == "" do
    lines[#lines] = nil
  end
  return table.concat(lines, "\n")
end

--- A table that scrolls within itself where it is too wide. @param head cells of HTML; nil: no head
-- @param rows lists of cells of HTML
-- @param o class; key: the first cell of a row is its head
function html.table(head, rows, o)
  local out = { ('<div class="scroll"><table class="%s">'):format(o and o.class or "") }
  if head then
    out[2] = "<thead><tr><th>" .. table.concat(head, "</th><th>") .. "</th></tr></thead>"
  end
  for _, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      cells[i] = o and o.key and i == 1 and '<th scope="row">' .. cell .. "</th>" or "<td>" .. cell .. "</td>"
    end
    out[#out + 1] = "<tr>" .. table.concat(cells) .. "</tr>"
  end
  out[#out + 1] = "</table></div>"
  return table.concat(out, "\n")
end

--- A figure under its title (HTML); nothing where there is no body.
function html.figure(title, body)
  return body and ("<figure><figcaption>%s</figcaption>\n%s</figure>"):format(title, body) or nil
end

--- Figures side by side, as many as there is room for; nothing where there are none. @param class more of the style
function html.grid(figures, class)
  return #figures > 0 and ('<div class="grid %s">\n'):format(class or "")
    .. table.concat(figures, "\n") .. "\n</div>" or ""
end

--- Marks a run: its letter in its colour.
function html.mark(run)
  return ('<span class="mark %s">%s</span>'):format(run.class, run.letter)
end

return html
