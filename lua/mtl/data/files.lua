--- Folders of PNG and NPY files: listed, checked one by one, and read by the loader or into memory.
local core = require "mtl.core"
local path = require "mtl.path"
local set = require "mtl.data.set"

local files = {}

local pictures = { jpg = true, jpeg = true, gif = true, bmp = true, tif = true, tiff = true, webp = true, ppm = true }

local function extension(name)
  return (name:match "%.(%w+)$" or ""):lower()
end

--- A file as people wrote it, checked: absolute. Checked here too, for recipes may open a declaration by themselves.
function files.file(p, at)
  return path.check(at.path(p), "read")
end

--- A folder as people wrote it, checked: absolute.
function files.folder(what, p, at)
  local ok, absolute = pcall(path.check, p, "folder", at.folder)
  if not ok then
    error(("%s: %s"):format(what, absolute), 0)
  end
  return absolute
end

--- Subfolders, by name.
function files.subfolders(folder)
  local list = {}
  for _, name in ipairs(core.listdir(folder)) do
    local stat = name:sub(1, 1) ~= "." and core.stat(path.join(folder, name))
    list[#list + 1] = stat and stat.type == "folder" and name or nil
  end
  return list
end

--- PNG and NPY files of a folder and the folders in it, sorted, each { name = from the folder on, stem = name without
-- its ending, path = checked }.
-- @param shown the folder as people wrote it
-- @param skip absolute folders that are left out, as a set
function files.list(folder, shown, skip)
  local list, other, seen = {}, nil, { [folder] = true }
  for absolute in pairs(skip or {}) do
    seen[absolute] = true
  end
  local function walk(below)
    for _, file in ipairs(core.listdir(path.join(folder, below))) do
      local name = below == "" and file or below .. "/" .. file
      local full = path.join(folder, name)
      local stat = file:sub(1, 1) ~= "." and core.stat(full)
      if stat and stat.type == "folder" then
        local absolute = core.realpath(full)
        if not seen[absolute] then -- a link may lead back
          seen[absolute] = true
          walk(name)
        end
      elseif stat and stat.type == "file" then
        local ending = extension(file)
        if ending == "png" or ending == "npy" then
          list[#list + 1] = { name = name, stem = name:sub(1, -5), path = path.check(full, "read") }
        elseif pictures[ending] then
          other = other or name
        end
      end
    end
  end
  walk ""
  if other then
    error(("%s/%s: no PNG, and PNG is what mtl reads: convert it (mogrify -format png), or take it out of the folder")
      :format(shown, other), 0)
  elseif #list == 0 then
    error(("%s: no PNG (or NPY) file in this folder"):format(shown), 0)
  end
  return list
end

--- A source of files, which are all PNG or all NPY.
-- @param mode how a PNG is read
function files.source(list, mode)
  local paths, ending = {}, extension(list[1].name)
  for i, file in ipairs(list) do
    paths[i] = file.path
    if extension(file.name) ~= ending then
      error(("%s is a PNG file and %s an NPY file, and all should be of one kind"):format(
        ending == "png" and list[1].name or file.name, ending == "png" and file.name or list[1].name), 0)
    end
  end
  return ending == "png" and core.png_source(paths, { mode = mode }) or core.npy_files_source(paths)
end

--- The shape of one file, from its header.
function files.shape(file, mode)
  return files.source({ file }, mode):shape()
end

--- Bytes of all rows of a source.
function files.bytes(source)
  local bytes = #source * (source:dtype() == "uint8" and 1 or 4)
  for _, size in ipairs(source:shape()) do
    bytes = bytes * size
  end
  return bytes
end

--- Fields of a split, read into memory. What needs no second thought is done to them now.
function files.load(fields)
  local out = {}
  for i, field in ipairs(fields) do
    out[i] = field
    if field.source then
      local rows = field.rows or core.arange(#field.source, "int32")
      local t = field.source:take(rows)
      if t:dtype() == "uint8" and field.role ~= "labels" and not field.missing then
        out[i] = { tensor = t, role = field.role, scale = field.scale, shift = field.shift }
      else
        out[i] = { tensor = set.values(field, t), role = field.role }
      end
    end
  end
  return out
end

return files
