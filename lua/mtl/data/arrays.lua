--- The files of data.npy: what people wrote of them, and what is in them.
local core = require "mtl.core"
local files = require "mtl.data.files"
local nearest = require "mtl.nearest"
local param = require "mtl.param"

local arrays = {}

local splits = { train = true, valid = true, test = true }
local known = { path = true, name = true, normalize = true, train = true, valid = true, test = true }

local function one(what, s)
  if type(s) == "string" then
    local path, name = s:match "^(.+%.npz):(.+)$"
    return { path = path or s, name = name }
  elseif type(s) == "table" and type(s.path) == "string" and (s.name == nil or type(s.name) == "string") then
    return { path = s.path, name = s.name }
  end
  error(('%s should be a file, "x.npy" or "all.npz:x", or a file for each split, { train = "a.npy", test = "b.npy" }')
    :format(what), 0)
end

--- "x.npy", "all.npz:x", { path =, name = }, or { train = one of these, test = ... }; a target may have `normalize`.
-- @return { whole = file } or { train = file, ... }, whether to normalize
function arrays.spec(what, s)
  local normalize = nil
  if type(s) == "table" then
    normalize = s.normalize
    for key in pairs(s) do
      if not known[key] then
        error(("%s: unknown key '%s'%s"):format(what, tostring(key), nearest.hint(key, known)), 0)
      end
    end
    local wrong = param.wrong({ type = "boolean" }, "normalize", normalize)
    if wrong then
      error(("%s: %s"):format(what, wrong), 0)
    end
    if s.train then
      local by_split = {}
      for name in pairs(splits) do
        by_split[name] = s[name] and one(("%s: %s"):format(what, name), s[name])
      end
      return by_split, normalize
    end
  end
  return { whole = one(what, s) }, normalize
end

-- The array of an archive: all of them are read at once, and once.
local function from_archive(cache, absolute, file)
  cache[absolute] = cache[absolute] or core.npz_read(absolute)
  local names = {}
  for name in pairs(cache[absolute]) do
    names[#names + 1] = name
  end
  local name = file.name or #names == 1 and names[1]
  if not name then
    table.sort(names)
    error(('%s: holds %s: "%s:%s" is one of them'):format(file.path, table.concat(names, ", "), file.path,
      names[1] or "NAME"), 0)
  elseif not cache[absolute][name] then
    error(("%s: %s"):format(file.path, nearest.unknown("array", name, names)), 0)
  end
  return { tensor = cache[absolute][name] }
end

--- A field with the rows of a file: of an archive in memory, else a source.
-- @param cache a table for archives
-- @return field, what it is called in messages
function arrays.open(at, file, cache)
  local absolute = files.file(file.path, at)
  local shown = file.name and file.path .. ":" .. file.name or file.path
  local field
  if file.name or absolute:lower():find "%.npz$" then
    field = from_archive(cache, absolute, file)
  else
    field = { source = core.npy_source(absolute) }
  end
  local rank = field.source and #field.source:shape() + 1 or field.tensor:rank()
  if rank < 1 then
    error(("%s: is a single number, and the first dimension should count examples"):format(shown), 0)
  end
  return field, shown
end

function arrays.dtype(field)
  return (field.source or field.tensor):dtype()
end

--- Bytes that a field would take in memory.
function arrays.bytes(field)
  return field.source and files.bytes(field.source) or 0
end

--- Reads a field into memory.
function arrays.load(field)
  if field.source then
    field.tensor, field.source = field.source:take(core.arange(#field.source, "int32")), nil
  end
end

--- Mean and standard deviation of each number of a row ([rows, n]), or of each channel ([rows, channels, h, w]); NaN is
-- left out; 1 where there is no spread.
function arrays.fit(x)
  if x:dtype() == "uint8" then
    x = x:cast "float32" / 255
  end
  if x:rank() == 1 then
    x = x:reshape(-1, 1)
  elseif x:rank() > 2 then
    x = x:rank() == 4 and x:permute(1, 3, 4, 2) or x
    x = x:rank() == 4 and x:reshape(-1, x:shape(4)) or x:reshape(#x, -1)
  end
  local missing = x:isnan()
  local n = (-missing + 1):sum(1):clamp(1)
  local mean = core.where(missing, 0, x):sum(1) / n
  local var = core.where(missing, 0, (x - mean):square()):sum(1) / n
  return { mean = mean:totable(), std = core.where(var:gt(0), var, 1):sqrt():totable() }
end

--- (x - mean) / std as fitted, of rows in memory. @param fill whether NaN becomes 0, the mean
function arrays.normalize(x, fitted, fill)
  local shape = x:shape()
  x = (x:reshape(-1, #fitted.mean) - core.tensor(fitted.mean)) / core.tensor(fitted.std)
  return (fill and core.where(x:isnan(), 0, x) or x):reshape(table.unpack(shape))
end

return arrays
