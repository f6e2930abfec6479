--- Line charts over steps, as SVG within a page. What is longer than it can show is thinned so that the lowest and
-- the highest value of every column of pixels stay. Colours and strokes are classes of the page's style.
local axis = require "mtl.report.axis"
local svg = require "mtl.svg"
local text = require "mtl.cli.text"

local chart = {}

local WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 360, 220, 56, 22, 34
local RIGHT, LABELS = 14, 74 -- room beyond the plot, without labels and with them
local PLOT_H = HEIGHT - TOP - BOTTOM

--- At most four points for each of n columns between x0 and x1: the first, lowest, highest and last (M4, Jugel et al.,
-- VLDB 2014). Points are { x, y, x, y, ... } in the order of x; where y is NaN the line breaks.
function chart.thin(points, n, x0, x1)
  if #points <= 8 * n then
    return points
  end
  local out, column, first, low, high, last = {}, nil, nil, nil, nil, nil
  local function flush()
    local order, before = { first, math.min(low, high), math.max(low, high), last }, nil
    for _, i in ipairs(order) do
      if i ~= before then
        out[#out + 1], out[#out + 2] = points[i], points[i + 1]
      end
      before = i
    end
  end
  for i = 1, #points, 2 do
    local here, y = math.floor((points[i] - x0) / (x1 - x0) * n), points[i + 1]
    if y ~= y then
      if column then
        flush()
      end
      out[#out + 1], out[#out + 2], column = points[i], y, nil
    elseif here ~= column then
      if column then
        flush()
      end
      column, first, low, high, last = here, i, i, i, i
    else
      low = y < points[low + 1] and i or low
      high = y > points[high + 1] and i or high
      last = i
    end
  end
  if column then
    flush()
  end
  return out
end

-- Tenths of a pixel: whole numbers are short.
local function tenths(x)
  return math.floor(10 * x + 0.5)
end

-- The d of a path, in tenths.
local function line(points, place)
  local d, x, y, pen = {}, 0, 0, false
  for i = 1, #points, 2 do
    if points[i + 1] == points[i + 1] then
      local px, py = place(points[i], points[i + 1])
      px, py = tenths(px), tenths(py)
      if not pen then
        d[#d + 1] = ("M%d %dl0 0"):format(px, py) -- a lone point shows by its round ends
      elseif px ~= x or py ~= y then
        d[#d + 1] = ("l%d %d"):format(px - x, py - y)
      end
      x, y, pen = px, py, true
    else
      pen = false
    end
  end
  return table.concat(d)
end

local function range(series)
  local low, high = math.huge, -math.huge
  for _, s in ipairs(series) do
    for i = 2, #s.points, 2 do
      local y = s.points[i]
      if y == y then
        low, high = math.min(low, y), math.max(high, y)
      end
    end
  end
  return low, high
end

--- Lowest and highest value of series; math.huge, -math.huge where there is none.
chart.range = range

-- Stages: full height where all runs have the same, else a lane of each run above the plot.
local function bands(page, o, x_of)
  for lane, spans in ipairs(o.stages) do
    local whole = #o.stages == 1
    for i, s in ipairs(spans) do
      local x, w = x_of(s.from), x_of(s.to) - x_of(s.from)
      local class = whole and ("band b%d"):format(i % 2) or ("lane %s b%d"):format(s.class, i % 2)
      page:add('<rect class="%s" x="%.1f" y="%d" width="%.1f" height="%d"/>', class, x,
        whole and TOP or TOP - 4 * (#o.stages - lane + 1), math.max(w, 0.5), whole and PLOT_H or 3)
      local letters = math.floor(w / 5.5)
      if whole and #spans > 1 and (letters >= 8 or letters >= text.width(s.name)) then
        page:add('<text class="small" x="%.1f" y="%d">%s</text>', x + 2, TOP - 5,
          svg.escaped(text.shorten(s.name, letters, true)))
      end
    end
  end
end

local function axes(page, o, x, y, x_of, y_of)
  local width = o.width
  for _, mark in ipairs(y.marks) do
    page:add('<path class="rule" d="M%d %.1fh%d"/><text x="%d" y="%.1f" text-anchor="end">%s</text>', LEFT,
      y_of(mark), width, LEFT - 4, y_of(mark) + 3.5, axis.figure(mark))
  end
  for _, mark in ipairs(x.marks) do
    page:add('<path class="rule" d="M%.1f %dv3"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>', x_of(mark),
      TOP + PLOT_H, x_of(mark), TOP + PLOT_H + 14, axis.figure(mark))
  end
  page:add('<path class="axis" d="M%d %dv%dh%d"/>', LEFT, TOP, PLOT_H, width)
  page:add('<text class="small" x="%d" y="%d" text-anchor="middle">step</text>', LEFT + width // 2, HEIGHT - 6)
  page:add('<text class="small" transform="translate(10 %d) rotate(-90)" text-anchor="middle">%s%s</text>',
    TOP + PLOT_H // 2, svg.escaped(o.unit), y.log and " (log scale)" or "")
end

-- Names at the ends of the lines, pushed apart where they would lie over one another.
local function labels(page, o, y_of)
  local list = {}
  for _, s in ipairs(o.series) do
    for i = #s.points, s.label and 2 or #s.points + 1, -2 do
      if s.points[i] == s.points[i] then
        list[#list + 1] = { y = y_of(s.points[i]), class = s.class, text = s.label }
        break
      end
    end
  end
  table.sort(list, function(a, b)
    return a.y < b.y or a.y == b.y and a.text < b.text
  end)
  for i, label in ipairs(list) do
    label.y = math.max(label.y, i > 1 and list[i - 1].y + 11 or TOP + 4)
  end
  for i = #list, 1, -1 do
    list[i].y = math.min(list[i].y, i < #list and list[i + 1].y - 11 or TOP + PLOT_H)
    page:add('<text class="label %s" x="%d" y="%.1f">%s</text>', list[i].class, LEFT + o.width + 5, list[i].y + 3.5,
      svg.escaped(text.shorten(list[i].text, 10, true)))
  end
end

-- What a strip says of a series: its value there, or the lowest and highest of several.
local function said(s, from, to, at)
  local low, high, last = math.huge, -math.huge, nil
  local i = at[s] or 1
  while s.points[i] and s.points[i] <= to do
    local y = s.points[i + 1]
    if s.points[i] > from and y == y then
      low, high, last = math.min(low, y), math.max(high, y), y
    end
    i = i + 2
  end
  at[s] = i
  if last then
    return ("%s: %s"):format(s.name, low == high and axis.figure(last)
      or ("%s to %s"):format(axis.figure(low), axis.figure(high)))
  end
end

local function stage_at(o, step)
  for _, s in ipairs(#o.stages == 1 and o.stages[1] or {}) do
    if step > s.from and step <= s.to then
      return " · " .. s.name
    end
  end
  return ""
end

-- Strips that show their figures where a pointer rests on them.
local function hover(page, o, x, x_of)
  local n, at, last = o.strips or 40, {}, x.low
  for k = 1, n do
    local to, lines = x.low + (x.high - x.low) * k / n, {}
    for _, s in ipairs(o.series) do
      local words = s.name and said(s, k == 1 and -1 or last, to, at)
      lines[#lines + 1] = words and svg.escaped(words) or nil
    end
    if #lines > 0 then
      page:add('<rect class="strip" x="%.1f" y="%d" width="%.1f" height="%d"><title>steps %s to %s%s\n%s</title>'
        .. '</rect>',
        x_of(last), TOP, x_of(to) - x_of(last), PLOT_H, text.count(math.floor(last) + (k > 1 and 1 or 0)),
        text.count(math.floor(to)), svg.escaped(stage_at(o, to)), table.concat(lines, "\n"))
    end
    last = to
  end
end

--- A chart. @param o title; unit (of y); steps (the last of x); series: { { points =, class =, label = (at its end, or
-- nil), name = (where a pointer rests, or nil) } }, drawn in this order; stages: one list for all runs or one for each,
-- of { name =, from =, to =, class = }; low, high (of y; default: the range of the values), fixed: without room beyond
-- them; log = "auto"; several: a line alone has its name, too; columns (thinning); strips
-- @return SVG; nil where no series has a finite value
function chart.draw(o)
  local low, high = range(o.series)
  if low > high then
    return nil
  end
  local named = 0
  for _, s in ipairs(o.series) do
    named = named + (s.label and 1 or 0)
  end
  o.labelled = named > (o.several and 0 or 1)
  o.width = WIDTH - LEFT - (o.labelled and LABELS or RIGHT)
  local x = axis.new(0, math.max(o.steps, 1), { fixed = true, n = 5 })
  local y = axis.new(o.low or low, o.high or high, { fixed = o.fixed, log = o.log, n = 5 })
  local function x_of(v)
    return LEFT + o.width * x.place(v)
  end
  local function y_of(v)
    return TOP + PLOT_H * (1 - y.place(v))
  end
  local page = svg.inline(WIDTH, HEIGHT, o.title)
  bands(page, o, x_of)
  axes(page, o, x, y, x_of, y_of)
  page:add '<g class="lines" transform="scale(.1)">'
  for _, s in ipairs(o.series) do
    page:add('<path class="%s" d="%s"/>', s.class, line(chart.thin(s.points, o.columns or o.width, 0, x.high),
      function(px, py)
        return x_of(px), y_of(py)
      end))
  end
  page:add '</g>'
  if o.labelled then
    labels(page, o, y_of)
  end
  hover(page, o, x, x_of)
  return table.concat(page, "\n") .. "</svg>"
end

return chart
