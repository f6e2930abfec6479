--- SVG, an element a line: page = svg.new(900, 600), page:add('<line x1="%d" .../>', ...), page:text().
local clean = require "mtl.cli.text".clean

local svg = {}
svg.__index = svg

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ["\""] = "&quot;" }

--- A white page of so many pixels.
function svg.new(width, height)
  local page = setmetatable({}, svg)
  page:add('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '
    .. 'font-family="sans-serif" font-size="12">', width, height, width, height)
  page:add('<rect width="%d" height="%d" fill="white"/>', width, height)
  return page
end

--- A drawing within a page of HTML, as wide as its place and in the page's own font and colours.
function svg.inline(width, height, title)
  local page = setmetatable({}, svg)
  page:add('<svg viewBox="0 0 %d %d" role="img" aria-label="%s">', width, height, svg.escaped(title))
  return page
end

--- A step of 1, 2 or 5 times a power of ten, so that a span has at most about n of them.
function svg.step(span, n)
  local rough = span / n
  local power = 10 ^ math.floor(math.log(rough, 10))
  for _, k in ipairs { 1, 2, 5 } do
    if k * power >= rough then
      return k * power
    end
  end
  return 10 * power
end

--- Adds an element, formatted as string.format does. Texts of others go through svg.escaped first.
function svg:add(format, ...)
  self[#self + 1] = format:format(...)
end

--- A text as it stands between tags or in an attribute.
function svg.escaped(s)
  return (clean(s):gsub("[&<>\"]", entities))
end

--- The whole page.
function svg:text()
  return table.concat(self, "\n") .. "\n</svg>\n"
end

return svg
