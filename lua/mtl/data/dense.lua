--- Dense targets of images: a PNG or NPY file for each, found by the image's name in a folder of their own.
-- { dir = "labels", kind = "labels", classes = 13, ignore = 255 }: palette indices or gray values; `levels` may name
-- the classes, `values` which value is which class, as { 0, 255 }. { dir = "depth", kind = "depth", scale = 0.001 }:
-- 16-bit gray (0: not measured, unless `missing` says otherwise). { dir = "normals", kind = "normals" }: RGB, 0 to 255
-- for -1 to 1. NPY: whole numbers [height, width]; floats [height, width]; floats [3, height, width]; NaN is missing.
-- partial = true: an image without a file has no label.
local core = require "mtl.core"
local files = require "mtl.data.files"
local nearest = require "mtl.nearest"
local pixels = require "mtl.data.pixels"
local set = require "mtl.data.set"
local transform = require "mtl.transform"

local dense = {}

local known = { dir = true, kind = true, classes = true, levels = true, ignore = true, scale = true, missing = true,
  values = true, partial = true }
local modes = { labels = "index", depth = "gray16", normals = "rgb" }

local function whole(v)
  return math.type(v) == "integer" and v >= 1
end

-- How many classes a target of labels has.
local function count(s)
  return s.classes or #(s.levels or s.values)
end

-- @return what is wrong with `values`, or nil
local function check_values(name, s)
  local seen = {}
  for _, v in ipairs(type(s.values) == "table" and s.values or { false }) do
    if s.kind ~= "labels" or math.type(v) ~= "integer" or v < 0 or v > 255 or seen[v] or v == s.ignore then
      return ("targets.%s: values goes with kind = 'labels', and lists the value of each class in its files, 0 to 255, "
        .. "as { 0, 255 }"):format(name)
    end
    seen[v] = true
  end
  if count(s) ~= #s.values then
    return ("targets.%s: values lists %d, but there are %d classes"):format(name, #s.values, count(s))
  end
end

--- Checks what a recipe says of one target. @return nil, or what is wrong
function dense.check(name, s)
  for key in pairs(s) do
    if not known[key] then
      return ("targets.%s: unknown key '%s'%s"):format(name, tostring(key), nearest.hint(key, known))
    end
  end
  if type(s.dir) ~= "string" then
    return ("targets.%s: dir should be the folder of its files"):format(name)
  elseif not modes[s.kind] then
    return ("targets.%s: kind is '%s', which should be 'labels', 'depth' or 'normals'"):format(name, tostring(s.kind))
  elseif s.kind == "labels" and not (whole(s.classes) or type(s.levels) == "table" and #s.levels > 0
    or s.classes == nil and s.levels == nil and s.values) then
    return ("targets.%s: classes should be how many there are, a whole number of at least 1"):format(name)
  elseif s.classes and s.levels and s.classes ~= #s.levels then
    return ("targets.%s: classes is %s, but levels names %d"):format(name, tostring(s.classes), #s.levels)
  elseif s.partial ~= nil and type(s.partial) ~= "boolean" then
    return ("targets.%s: partial should be true where images may have no file, or false"):format(name)
  end
  local wrong = s.values ~= nil and check_values(name, s)
  if wrong then
    return wrong
  end
  for _, key in ipairs { "ignore", "scale", "missing" } do
    local kind = key == "ignore" and "labels" or "depth"
    local fits = s[key] == nil or s.kind == kind and (type(s[key]) == "number" or key == "missing" and s[key] == false)
      or key == "missing" and s.kind == "normals" and type(s[key]) == "number"
    if not fits then
      return ("targets.%s: %s goes with kind = '%s', and is a number"):format(name, key, kind)
    end
  end
end

-- Files of the target in the order of the images, and for each image its place among them, from 0; past the last where
-- it has none.
local function matched(name, list, rows, shown, partial)
  local by_stem, found, places = {}, {}, {}
  for _, file in ipairs(list) do
    if by_stem[file.stem] then
      error(("%s/%s: the target '%s' has %s too, and one of them should go"):format(shown, file.name, name,
        by_stem[file.stem].name), 0)
    end
    by_stem[file.stem] = file
  end
  for i, row in ipairs(rows) do
    local file = by_stem[row.stem]
    if file then
      found[#found + 1] = { name = file.name, path = file.path, image = row }
      places[i] = #found - 1
    elseif not partial then
      error(("%s has no file of target '%s': there should be %s/%s.png (or .npy); partial = true in the target says "
        .. "that such an image has no label"):format(row.name, name, shown, row.stem), 0)
    end
  end
  if #found == 0 then
    error(("%s: no file of target '%s' has the name of an image"):format(shown, name), 0)
  end
  for i in ipairs(rows) do
    places[i] = places[i] or #found
  end
  return found, places
end

local OTHER = 65536 -- and more: what is not among `values`; files hold less

-- What the values 0 to 255 of labels become: their places in `values`.
local function classes_of(s)
  local map = {}
  for v = 0, 255 do
    map[v + 1] = OTHER + v
  end
  for i, v in ipairs(s.values) do
    map[v + 1] = i - 1
  end
  return core.tensor(map, "int32")
end

-- Adds to a field a row without a label, past its files, and says which row each image has.
local function add_blank(name, s, field, places, shape)
  local dtype = field.source:dtype()
  local blank = dtype == "float32" and 0 / 0 or field.missing
  if not blank then
    if s.kind == "labels" and dtype == "uint8" then
      error(("targets.%s: partial: of NPY files of uint8, ignore = 255 should name a value that "
        .. "is no class"):format(name), 0)
    end
    blank = s.kind == "normals" and 0 or -1 -- no normal, no class, no depth
    field.missing = blank
  end
  local row = core.full({ 1, table.unpack(shape) }, blank, dtype == "uint8" and "int32" or dtype)
  field.source = core.join_sources { field.source, core.tensor_source(dtype == "uint8" and row:cast "uint8" or row) }
  field.rows = core.tensor(places, "int32")
end

--- The field of one target.
-- @param rows the images: { name =, stem =, height =, width = }
-- @param every stems of all images of the folder, as a set: a file of another name is an error
-- @param resized whether the transforms begin with a resize, so that sizes need not be equal
-- @return field, description, whether all files have one size
function dense.open(name, s, rows, every, at, o)
  local root = files.folder(("data.images: targets.%s: dir"):format(name), s.dir, at)
  local list = files.list(root, s.dir)
  local found, places = matched(name, list, rows, s.dir, s.partial)
  for _, file in ipairs(list) do
    if not every[file.stem] then
      error(("%s/%s: target '%s' has a file for which there is no image %s.png in %s"):format(s.dir, file.name, name,
        file.stem, o.dir), 0)
    end
  end
  local mode, first, shape, same = modes[s.kind], nil, nil, true
  for _, file in ipairs(found) do
    shape = files.shape(file, mode)
    first = first or table.concat(shape, " ")
    same = same and first == table.concat(shape, " ")
    if not pixels.is(s.kind, shape) then
      error(("%s/%s: holds [%s], but the %s of target '%s' are %s"):format(s.dir, file.name, table.concat(shape, ", "),
        s.kind == "depth" and "depths" or s.kind, name, pixels.kinds[s.kind]), 0)
    end
    local height, width, row = shape[#shape - 1], shape[#shape], file.image
    if not o.resized and (height ~= row.height or width ~= row.width) then
      error(("%s/%s: is %d x %d (height x width), but its image %s is %d x %d"):format(s.dir, file.name, height, width,
        row.name, row.height, row.width), 0)
    end
  end
  local png = found[1].name:lower():find "%.png$"
  local field = { source = files.source(found, mode), role = s.kind }
  if s.kind == "labels" then
    field.missing = s.ignore
  elseif s.kind == "depth" then
    field.scale, field.missing = s.scale, s.missing
    if s.missing == nil and png then
      field.missing = 0
    end
    field.missing = field.missing or nil
  elseif png then
    field.scale, field.shift, field.missing = 2 / 255, -1, s.missing
  end
  if s.partial then
    add_blank(name, s, field, places, shape)
  end
  if s.values then
    field.classes = classes_of(s)
  end
  local height, width = transform.size(o.transforms, shape[#shape - 1], shape[#shape], s.dir)
  shape[#shape - 1], shape[#shape] = height, width
  local description = { kind = "number", shape = shape, dense = s.kind }
  if s.kind == "labels" then
    description = { kind = "class", classes = count(s), levels = s.levels, shape = shape, dense = s.kind }
  end
  return field, description, same
end

--- Refuses labels that are no class. On the disk a few files are looked through.
-- @param fields by split, `i` the target's place in them
function dense.check_values(name, s, fields, i, description)
  for _, of_split in pairs(fields) do
    local field = of_split[i]
    local labels = field.tensor
    if not labels then
      labels = set.values(field, field.source:take(field.rows:slice(1, 1, math.min(#field.rows, 8))))
    end
    local most = math.tointeger(labels:cast("float32"):max():item())
    if s.values and most >= description.classes then
      error(("%s: target '%s' has the value %d, which is not among its values { %s }"):format(s.dir, name, most % OTHER,
        table.concat(s.values, ", ")), 0)
    elseif most >= description.classes then
      local x = labels:cast "float32"
      local mask = most == 255 and (x:eq(0) + x:eq(255)):min():item() > 0
      local hint = mask and ": it looks like a mask of 0 and 255, of which values = { 0, 255 } makes classes 0 and 1"
        or s.ignore and "" or (" (ignore = %d says that it is no label)"):format(most)
      error(("%s: target '%s' has the value %d, but its %d classes are 0 to %d%s"):format(s.dir, name, most,
        description.classes, description.classes - 1, hint), 0)
    end
  end
end

return dense
