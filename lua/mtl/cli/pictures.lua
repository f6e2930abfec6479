--- Dense outputs as PNG files. Classes: 8-bit gray, the class of each pixel (16-bit beyond 256 classes). Depths and
-- other single numbers: 16-bit gray from the lowest (0) to the highest (65535) of the picture. Normals: RGB, -1 to 1
-- as 0 to 255.
local core = require "mtl.core"
local path = require "mtl.path"

local pictures = {}

local MOST_COLUMNS = 64 -- numbers of a target that no data set called a picture are columns up to here

--- "labels", "depth" or "normals" where a task's output is a picture; nil where it is not.
function pictures.kind(task)
  local description = task.description
  local shape = description.shape or {}
  if description.kind == "class" then
    return #shape == 2 and "labels" or nil
  elseif description.dense then
    return description.dense
  end
  local count = 1
  for _, size in ipairs(shape) do
    count = count * size
  end
  local flat = #shape == 2 or #shape == 3 and shape[1] == 1
  return flat and count > MOST_COLUMNS and "depth" or nil
end

local function rounded(t, most)
  return (t + 0.5):clamp(0, most):cast "int32"
end

--- By kind: function(output, task) -> [rows, 1 or 3, height, width] of whole numbers, bits of a channel, ranges by row.
pictures.make = {
  labels = function(output, task)
    local classes = task.binary and output:ge(0.5):cast "int32" or output:argmax(2, true)
    return classes, task.description.classes > 256 and 16 or 8
  end,
  depth = function(output)
    local shape = output:shape()
    output = output:reshape(shape[1], 1, shape[#shape - 1], shape[#shape])
    local flat = output:reshape(shape[1], -1)
    local low, high = flat:min(2), flat:max(2)
    local span = (high - low):maximum(1e-30):reshape(shape[1], 1, 1, 1)
    return rounded((output - low:reshape(shape[1], 1, 1, 1)) / span * 65535, 65535), 16,
      { low = low:totable(), high = high:totable() }
  end,
  normals = function(output)
    local unit = output / output:square():sum(2, true):sqrt():maximum(1e-12)
    return rounded((unit + 1) * 127.5, 255), 8
  end,
}

-- photos/cat.png -> cat; all.npy:3 -> all.3
local function stem(name)
  local file, row = name:match "^(.+):(%d+)$"
  local _, base = path.split(file or name)
  return base:gsub("%.%w+$", "") .. (row and "." .. row or "")
end

local written = {}

--- Writes a picture for each row of a task's output.
-- @return { file =, low =, high = } by row
function pictures.write(kind, output, task, names, dir)
  local whole, bits, range = pictures.make[kind](output, task)
  local list, suffix = {}, "." .. task.name:gsub("[^%w_%-]", "_") .. ".png"
  whole = bits == 8 and whole:cast "uint8" or whole
  for i, name in ipairs(names) do
    local file = path.join(dir, stem(name) .. suffix)
    if written[file] then
      error(("predict: '%s' and '%s' would both be written to %s"):format(written[file], name, file), 0)
    end
    written[file] = name
    core.png_write(path.check(file, "write"), whole[i], bits == 16 and 16 or nil)
    list[i] = { file = file, low = range and range.low[i], high = range and range.high[i] }
  end
  return list
end

return pictures
