--- What the specs of data sets share: a folder with small PNG files in it, and what a data set says when it is refused.
local core = require "mtl.core"
local program = dofile "spec/support/program.lua"

local support = { remove = program.remove }

local function crc32(bytes)
  local crc = 0xFFFFFFFF
  for i = 1, #bytes do
    crc = crc ~ bytes:byte(i)
    for _ = 1, 8 do
      crc = crc >> 1 ~ (crc & 1) * 0xEDB88320
    end
  end
  return crc ~ 0xFFFFFFFF
end

-- A zip archive whose entries are stored as they are, as numpy.savez writes it: { { name, bytes }, ... }.
local function zip(entries)
  local out, directory, at = {}, {}, 0
  for _, entry in ipairs(entries) do
    local name, bytes = entry[1], entry[2]
    local about = string.pack("<I2I2I2I2I2I4I4I4I2I2", 20, 0, 0, 0, 33, crc32(bytes), #bytes, #bytes, #name, 0)
    out[#out + 1] = "PK\3\4" .. about .. name .. bytes
    directory[#directory + 1] = "PK\1\2" .. string.pack("<I2", 20) .. about
      .. string.pack("<I2I2I2I4I4", 0, 0, 0, 0, at) .. name
    at = at + #out[#out]
  end
  local list = table.concat(directory)
  return table.concat(out) .. list
    .. "PK\5\6" .. string.pack("<I2I2I2I2I4I4I2", 0, 0, #entries, #entries, #list, at, 0)
end

--- A folder of its own: { path =, at = what a data set is opened with }.
function support.folder()
  local folder = { path = core.realpath(program.folder()) }
  folder.at = {
    folder = folder.path,
    path = function(p)
      return require "mtl.path".check(p, "read", folder.path)
    end,
  }
  --- Writes a text.
  function folder.write(name, text)
    core.mkdir((folder.path .. "/" .. name):match "^(.*)/")
    program.write(folder.path .. "/" .. name, text)
  end
  --- Writes an image [channels, height, width] whose pixels are f(c, y, x), all from 0; or a constant.
  function folder.png(name, channels, height, width, f, bits)
    local values = {}
    for c = 0, channels - 1 do
      for y = 0, height - 1 do
        for x = 0, width - 1 do
          values[#values + 1] = type(f) == "number" and f or f(c, y, x)
        end
      end
    end
    core.mkdir((folder.path .. "/" .. name):match "^(.*)/")
    local t = core.tensor(values, bits and "int32" or "uint8"):reshape(channels, height, width)
    core.png_write(folder.path .. "/" .. name, t, bits)
  end
  --- Writes an array.
  function folder.npy(name, t)
    core.npy_write(folder.path .. "/" .. name, t)
  end
  --- Writes an archive of arrays: { { name, tensor }, ... }.
  function folder.npz(name, arrays)
    local entries, file = {}, folder.path .. "/entry.npy"
    for i, array in ipairs(arrays) do
      core.npy_write(file, array[2])
      entries[i] = { array[1] .. ".npy", program.read(file) }
    end
    os.remove(file)
    folder.write(name, zip(entries))
  end
  function folder.clear()
    program.remove(folder.path)
    core.mkdir(folder.path)
  end
  return folder
end

--- Opening the declaration fails, and the message holds all parts.
function support.refused(declaration, at, ...)
  local ok, message = pcall(declaration.open, declaration, at)
  assert(not ok, "was opened, and should have been refused")
  for _, part in ipairs { ... } do
    assert(tostring(message):find(part, 1, true), ("%s does not say '%s'"):format(message, part))
  end
end

--- All batches of a split as the model gets them, one tensor a field.
function support.rows(set, split, training)
  local loader, parts = set:loader(split), {}
  loader:start(training or false, 1, 0, 0)
  while true do
    local batch = loader:next()
    if not batch then
      break
    end
    for i, t in ipairs(batch) do
      parts[i] = parts[i] or {}
      table.insert(parts[i], t)
    end
  end
  for i, part in ipairs(parts) do
    parts[i] = core.cat(part, 1)
  end
  return parts
end

return support
