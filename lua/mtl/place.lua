--- Where people wrote what mtl is asked to do: errors about it begin with the file and the line.
local place = {}

-- mtl's own Lua files begin with this in debug information: "@.../lua/mtl/", or "@mtl/" within the program.
place.own = debug.getinfo(1, "S").source:match "^(.*)place%.lua$"

--- The place in the first Lua code on the stack that is not mtl's: { source =, line =, sure = }, or nil.
-- sure = false: a tail call came between, so the place may be that of a caller further out.
function place.here()
  local sure = true
  for level = 2, 100 do
    local info = debug.getinfo(level, "Slt")
    if not info then
      return nil
    elseif info.what ~= "C" and info.source:sub(1, #place.own) ~= place.own then
      return { source = info.source, line = info.currentline, sure = sure }
    end
    sure = sure and not info.istailcall
  end
end

--- "recipe.lua:12: ", or what is known of it.
function place.prefix(at)
  if not at or at.source:sub(1, 1) ~= "@" then
    return ""
  end
  return at.source:sub(2) .. (at.line and ":" .. at.line or "") .. ": "
end

--- Raises a message about what people wrote, with the place where they wrote it.
function place.fail(message)
  error(place.prefix(place.here()) .. message, 0)
end

-- The lines of a source file, if it can be read as recipes may read files.
local function lines_of(source)
  local name = source:match "^@(.+)$"
  local ok, text = pcall(function()
    return require "mtl.core".file_read(require "mtl.path".check(name, "read"))
  end)
  local list = {}
  for line in (ok and text or ""):gmatch "([^\n]*)\n?" do
    list[#list + 1] = line:gsub("%-%-.*", "")
  end
  return list
end

local function quoted(text)
  return (text:gsub("%p", "%%%0"))
end

--- The line of a source file where a table has the name, the key, or holds the text, from line `first` on; nil where
-- none does.
function place.line(source, what, first)
  local name = quoted(what)
  local patterns = {
    "name%s*=%s*[\"']" .. name .. "[\"']",
    "%f[%w_]" .. name .. "%f[^%w_]%s*=",
    "%[%s*[\"']" .. name .. "[\"']%s*%]%s*=",
    "[\"']" .. name .. "[\"']",
  }
  local lines = lines_of(source)
  for _, pattern in ipairs(patterns) do
    for i = first or 1, #lines do
      if lines[i]:find(pattern) then
        return i
      end
    end
  end
end

return place
