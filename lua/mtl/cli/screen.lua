--- A block of lines at the bottom of a terminal that is drawn over and over. Lines above it scroll as always. The
-- cursor is hidden while the block stands.
local core = require "mtl.core"
local text = require "mtl.cli.text"

local screen = {}
screen.__index = screen

local HIDE, SHOW, BELOW, LINE = "\27[?25l", "\27[?25h", "\27[J", "\27[K"

function screen.new(file)
  return setmetatable({ file = file, height = 0 }, screen)
end

function screen.columns()
  return core.columns(1) or 80
end

local function up(self)
  return self.height > 0 and ("\27[%dA\r"):format(self.height) or ""
end

-- A line that is as wide as the terminal wraps on some, so the last column stays free.
local function fitted(lines)
  local out, columns = {}, screen.columns() - 1
  for i, line in ipairs(lines) do
    out[i] = text.cut(line, columns) .. LINE .. "\n"
  end
  return table.concat(out)
end

--- Draws the block in place of the one before.
function screen:draw(lines)
  self.file:write(self.height == 0 and HIDE or "", up(self), fitted(lines), BELOW)
  self.file:flush()
  self.height = #lines
end

--- Writes a line above the block, to stay; the block is gone until it is drawn again.
function screen:print(line)
  self:close()
  self.file:write(line, "\n")
  self.file:flush()
end

--- Takes the block away.
function screen:close()
  if self.height > 0 then
    self.file:write(up(self), BELOW, SHOW)
    self.file:flush()
    self.height = 0
  end
end

return screen
