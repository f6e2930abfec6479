--- A block of lines at the bottom of a terminal that is drawn over and over. Lines above it scroll as always. The
-- cursor is hidden while the block stands.
local core = require "mtl.core"
local text = require "mtl.cli.text"

local screen = {}
screen.__index = screen

local HIDE, SHOW, BELOW, LINE = "\27[?25l", "\27[?25h", "\27[J", "\27[K"

function screen.new(file)
  return setmetatable({ file = file, widths = {} }, screen)
end

function screen.columns()
  return core.columns(1) or 80
end

--- Lines that a block may have: one that is taller than the terminal could not be drawn over. The cursor stands below
-- it, and a line above stays free: some terminals keep a copy of what is erased from the very top.
function screen.height()
  return math.max(1, (core.rows(1) or 24) - 2)
end

-- To the first line of the block. A terminal that was made narrower since has wrapped its lines.
local function up(self)
  local height, columns = 0, screen.columns()
  for _, width in ipairs(self.widths) do
    height = height + math.max(1, math.ceil(width / columns))
  end
  return height > 0 and ("\27[%dA\r"):format(height) or ""
end

-- A line that is as wide as the terminal wraps on some, so the last column stays free.
local function fitted(lines)
  local out, widths, columns = {}, {}, screen.columns() - 1
  for i, line in ipairs(lines) do
    line = text.cut(line, columns)
    out[i], widths[i] = line .. LINE .. "\n", text.width(line)
  end
  return table.concat(out), widths
end

--- Draws the block in place of the one before.
function screen:draw(lines)
  local shown, widths = fitted(lines)
  self.file:write(#self.widths == 0 and HIDE or "", up(self), shown, BELOW)
  self.file:flush()
  self.widths = widths
end

--- Writes a line above the block, to stay; the block is gone until it is drawn again.
function screen:print(line)
  self:close()
  self.file:write(line, "\n")
  self.file:flush()
end

--- Takes the block away.
function screen:close()
  if #self.widths > 0 then
    self.file:write(up(self), BELOW, SHOW)
    self.file:flush()
    self.widths = {}
  end
end

return screen
