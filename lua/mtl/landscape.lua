--- Paths of trainings over the contours of a function of two variables, as SVG: a panel for each set of paths.
local svg = require "mtl.svg"

local landscape = {}

local PANEL, LEFT, RIGHT, TOP, GAP, COLUMNS = 260, 44, 16, 70, 50, 3
local inks = { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9" } -- Okabe and Ito's, for every eye

-- Where the line of a level crosses the sides of a cell whose corners, around it, are at `at` with the values `z`.
local function crossings(z, at, level)
  local list = {}
  for k = 1, 4 do
    local l = k % 4 + 1
    if (z[k] < level) ~= (z[l] < level) then
      local t = (level - z[k]) / (z[l] - z[k])
      list[#list + 1] = { at[k][1] + t * (at[l][1] - at[k][1]), at[k][2] + t * (at[l][2] - at[k][2]) }
    end
  end
  local middle = (z[1] + z[2] + z[3] + z[4]) / 4
  if #list == 4 and (z[1] < level) ~= (middle < level) then -- a saddle whose middle parts corner 1 from corner 3
    table.insert(list, 1, table.remove(list))
  end
  return list
end

--- Stretches of the line where a function has the value `level` (marching squares).
-- @param z values on an even grid, z[i][j] at place i of x and j of y
-- @return { { x, y, x, y }, ... }, in cells, from 0
function landscape.contour(z, level)
  local list = {}
  for i = 1, #z - 1 do
    for j = 1, #z[1] - 1 do
      local c = crossings({ z[i][j], z[i + 1][j], z[i + 1][j + 1], z[i][j + 1] },
        { { i - 1, j - 1 }, { i, j - 1 }, { i, j }, { i - 1, j } }, level)
      for k = 1, #c, 2 do
        list[#list + 1] = { c[k][1], c[k][2], c[k + 1][1], c[k + 1][2] }
      end
    end
  end
  return list
end

-- Tenths of a pixel within a panel, for lines of whole numbers.
local function placing(box)
  local sx, sy = 10 * PANEL / (box[2] - box[1]), 10 * PANEL / (box[4] - box[3])
  return function(x, y)
    return math.floor((x - box[1]) * sx + 0.5), math.floor((box[4] - y) * sy + 0.5)
  end
end

-- The d of a path element: a line through points { x, y }.
local function line(points, place)
  local d, x, y = {}, place(points[1][1], points[1][2])
  d[1] = ("M%d %d"):format(x, y)
  for i = 2, #points do
    local to_x, to_y = place(points[i][1], points[i][2])
    if to_x ~= x or to_y ~= y then
      d[#d + 1] = ("l%d %d"):format(to_x - x, to_y - y)
      x, y = to_x, to_y
    end
  end
  return table.concat(d)
end

local function contours(page, o, place)
  local columns, rows, box = #o.z - 1, #o.z[1] - 1, o.box
  for _, level in ipairs(o.levels) do
    local d = {}
    for i, s in ipairs(landscape.contour(o.z, level)) do
      local points = {}
      for k = 1, 3, 2 do
        points[#points + 1] = { box[1] + s[k] * (box[2] - box[1]) / columns,
          box[3] + s[k + 1] * (box[4] - box[3]) / rows }
      end
      d[i] = line(points, place)
    end
    page:add('<path d="%s" stroke="#c4c9d4" stroke-width="7"/>', table.concat(d))
  end
end

-- What all panels show: the contours, the lines to reach, the frame.
local function background(page, o, place)
  page:add '<defs>'
  page:add('<clipPath id="frame"><rect width="%d" height="%d"/></clipPath>', 10 * PANEL, 10 * PANEL)
  page:add '<g id="ground" fill="none">'
  contours(page, o, place)
  for _, points in ipairs(o.goals or {}) do
    page:add('<path d="%s" stroke="#999" stroke-opacity="0.6" stroke-width="60" stroke-linecap="round"/>',
      line(points, place))
  end
  page:add('<rect width="%d" height="%d" stroke="#555" stroke-width="10"/>', 10 * PANEL, 10 * PANEL)
  page:add '</g></defs>'
end

local function ticks(page, o)
  local box = o.box
  for k = 0, 4 do
    local at = k * PANEL / 4
    page:add('<text x="%d" y="%d" text-anchor="middle" fill="#555" font-size="11">%g</text>', at, PANEL + 16,
      box[1] + k * (box[2] - box[1]) / 4)
    page:add('<text x="-6" y="%d" text-anchor="end" fill="#555" font-size="11">%g</text>', PANEL - at + 4,
      box[3] + k * (box[4] - box[3]) / 4)
  end
end

local function panel(page, o, p, place)
  page:add('<text x="%d" y="-8" text-anchor="middle" font-size="13">%s</text>', PANEL // 2, svg.escaped(p.title))
  ticks(page, o)
  page:add '<g transform="scale(0.1)" fill="none" stroke-width="16" stroke-linejoin="round" clip-path="url(#frame)">'
  page:add '<use href="#ground"/>'
  for i, points in ipairs(p.paths) do
    page:add('<path d="%s" stroke="%s"/>', line(points, place), inks[(i - 1) % #inks + 1])
  end
  for i, points in ipairs(p.paths) do
    local ink = inks[(i - 1) % #inks + 1]
    local x, y = place(table.unpack(points[1]))
    page:add('<circle cx="%d" cy="%d" r="45" fill="white" stroke="%s"/>', x, y, ink)
    x, y = place(table.unpack(points[#points]))
    page:add('<circle cx="%d" cy="%d" r="45" fill="%s" stroke="white" stroke-width="8"/>', x, y, ink)
  end
  page:add '</g>'
end

--- Draws. @param o title, subtitle; box = { least x, most x, least y, most y }; z: values on an even grid over the box,
-- z[i][j] at place i of x and j of y; levels (of contours); goals: lines { { x, y }, ... } to be reached (optional);
-- panels: { { title =, paths = { { { x, y }, ... }, ... } }, ... }: the i-th path of each panel has the same colour, a
-- ring where it starts and a dot where it ends
-- @return SVG, as a text
function landscape.draw(o)
  local columns = math.min(#o.panels, COLUMNS)
  local rows = (#o.panels + columns - 1) // columns
  local width = columns * (PANEL + LEFT) + RIGHT
  local page = svg.new(math.max(width, 560), TOP + rows * (PANEL + GAP) - 20)
  page:add('<text x="12" y="22" font-size="15">%s</text>', svg.escaped(o.title))
  page:add('<text x="12" y="40" fill="#555">%s</text>', svg.escaped(o.subtitle))
  local place = placing(o.box)
  background(page, o, place)
  for i, p in ipairs(o.panels) do
    local column, row = (i - 1) % columns, (i - 1) // columns
    page:add('<g transform="translate(%d %d)">', LEFT + column * (PANEL + LEFT), TOP + row * (PANEL + GAP))
    panel(page, o, p, place)
    page:add '</g>'
  end
  return page:text()
end

return landscape
