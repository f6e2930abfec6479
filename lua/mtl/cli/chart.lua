--- Curves on a terminal: a frame with its scale, and a line for each series, drawn in dots of braille (two across and
-- four down in a character) and told apart by colour; without UTF-8 or colour by a letter each, one place a character.
local text = require "mtl.cli.text"

local chart = {}

local COLOURS = { 34, 31, 32, 35, 36, 33 } -- blue, red, green, magenta, cyan, yellow
local MARKS = "abcdefghijklmnopqrstuvwxyz"
local DOTS = { [0] = { [0] = 0x01, 0x08 }, { [0] = 0x02, 0x10 }, { [0] = 0x04, 0x20 }, { [0] = 0x40, 0x80 } }

local function colour(k, s)
  return ("\27[%dm%s\27[0m"):format(COLOURS[(k - 1) % #COLOURS + 1], s)
end

local function mark(k)
  local i = (k - 1) % #MARKS + 1
  return MARKS:sub(i, i)
end

local function finite(y)
  return y and y == y and math.abs(y) < math.huge
end

-- Least and greatest value, and first and last step, over all series; nil where there is no value.
local function ranges(series)
  local low, high, first, last = math.huge, -math.huge, math.huge, -math.huge
  for _, s in ipairs(series) do
    for i = 1, s.n do
      if finite(s.y[i]) then
        low, high = math.min(low, s.y[i]), math.max(high, s.y[i])
        first, last = math.min(first, s.x[i]), math.max(last, s.x[i])
      end
    end
  end
  if low > high then
    return nil
  elseif high - low < 1e-12 * math.max(math.abs(high), 1e-3) then
    local room = math.max(math.abs(high) * 0.1, 1e-3)
    low, high = low - room, high + room
  end
  return low, high, first, last
end

-- For each place across, the mean of the values that fall there, so that noise does not fill the picture; false where
-- only steps without a value do.
local function columns_of(s, first, last, n)
  local sum, count = {}, {}
  for i = 1, s.n do
    local c = last > first and math.floor((s.x[i] - first) / (last - first) * (n - 1) + 0.5) or 0
    if finite(s.y[i]) then
      sum[c], count[c] = (sum[c] or 0) + s.y[i], (count[c] or 0) + 1
    else
      sum[c] = sum[c] or false
    end
  end
  for c, total in pairs(count) do
    sum[c] = sum[c] / total
  end
  return sum
end

-- Calls put(x, y) for every place of the line through the points of one series; it breaks where values are missing.
local function trace(points, wide, high, low, top, put)
  local before
  for x = 0, wide - 1 do
    local y = points[x] and math.floor((top - points[x]) / (top - low) * (high - 1) + 0.5)
    if y and before then
      local steps = math.max(x - before.x, math.abs(y - before.y))
      for i = 1, steps do
        put(before.x + math.floor((x - before.x) * i / steps + 0.5), before.y + math.floor((y - before.y) * i / steps
          + 0.5))
      end
    elseif y then
      put(x, y)
    end
    before = y and { x = x, y = y } or points[x] == nil and before or nil
  end
end

-- The picture as lines of characters.
local function draw(series, box, low, top, style)
  local across, down = style.dots and 2 or 1, style.dots and 4 or 1
  local cells, owner = {}, {}
  for k, s in ipairs(series) do
    local wide, high = box.columns * across, box.rows * down
    trace(columns_of(s, box.first, box.last, wide), wide, high, low, top, function(x, y)
      local at = (y // down) * box.columns + x // across
      cells[at] = (owner[at] and cells[at] or 0) | (style.dots and DOTS[y % 4][x % 2] or 0)
      owner[at] = k
    end)
  end
  local lines = {}
  for row = 0, box.rows - 1 do
    local line = {}
    for column = 0, box.columns - 1 do
      local at = row * box.columns + column
      local k = owner[at]
      local character = k and (style.dots and utf8.char(0x2800 + cells[at]) or mark(k)) or " "
      line[#line + 1] = k and style.colour and colour(k, character) or character
    end
    lines[#lines + 1] = table.concat(line)
  end
  return lines
end

-- Names of the series, in lines of at most so many columns.
local function legend(series, columns, style)
  local lines, width = { "" }, 0
  for k, s in ipairs(series) do
    local name = text.shorten(text.clean(s.name), math.max(columns - 4, 4), style.dots)
    local sign = style.dots and style.colour and "━━" or mark(k)
    local room = text.width(name) + text.width(sign) + 4
    if width > 0 and width + room > columns then
      lines[#lines + 1], width = "", 0
    end
    lines[#lines] = lines[#lines] .. "  " .. (style.colour and colour(k, sign) or sign) .. " " .. name
    width = width + room
  end
  return lines
end

local function label(value)
  return ("%.3g"):format(value)
end

--- Lines of a picture. @param title
-- @param series { { name =, x = {}, y = {} (with holes), n = places } }
-- @param size { columns = of all, rows = of the picture }
-- @param style { utf8 =, colour = }: what the terminal can
function chart.lines(title, series, size, style)
  local low, high, first, last = ranges(series)
  if not low then
    return { ("%s: nothing to draw yet"):format(title) }
  end
  style = { dots = style.utf8 and (style.colour or #series == 1), colour = style.colour, utf8 = style.utf8 }
  local labels = { label(high), label((low + high) / 2), label(low) }
  local margin = math.max(#labels[1], #labels[2], #labels[3]) + 2
  local box = { columns = math.max(size.columns - margin - 1, 8), rows = math.max(size.rows, 3), first = first,
    last = last }
  local bar, corner, flat = "|", "+", "-"
  if style.utf8 then
    bar, corner, flat = "│", "└", "─"
  end
  local lines = { title }
  for i, line in ipairs(draw(series, box, low, high, style)) do
    local said = i == 1 and labels[1] or i == box.rows and labels[3] or i == (box.rows + 1) // 2 and labels[2] or ""
    lines[#lines + 1] = text.pad(said, margin - 1, true) .. bar .. line
  end
  lines[#lines + 1] = (" "):rep(margin - 1) .. corner .. flat:rep(box.columns)
  local ends = { tostring(first), ("step %s"):format(last) }
  lines[#lines + 1] = (" "):rep(margin) .. ends[1]
    .. (" "):rep(math.max(box.columns - #ends[1] - #ends[2], 1)) .. ends[2]
  for _, line in ipairs(legend(series, size.columns, style)) do
    lines[#lines + 1] = line
  end
  return lines
end

return chart
