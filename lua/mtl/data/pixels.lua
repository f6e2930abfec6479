--- Images and dense targets among the fields of a data set: their roles, and their shapes after the transforms.
local core = require "mtl.core"
local transform = require "mtl.transform"

local pixels = {}

pixels.kinds = { labels = "[height, width] whole numbers", depth = "[height, width] or [1, height, width] floats",
  normals = "[3, height, width] floats" }

--- The shape of a row.
function pixels.shape(field)
  if field.source then
    return field.source:shape()
  end
  local shape = field.tensor:shape()
  table.remove(shape, 1)
  return shape
end

--- Whether a dense target of this shape may be of this kind.
function pixels.is(kind, shape)
  if kind == "normals" then
    return #shape == 3 and shape[1] == 3
  end
  return #shape == 2 or kind == "depth" and #shape == 3 and shape[1] == 1
end

--- Checks the option `dense`: { seg = "labels", depth = "depth", normals = "normals" }.
function pixels.check(dense)
  for name, kind in pairs(dense) do
    if not pixels.kinds[kind] then
      return ("dense.%s is '%s', which should be 'labels', 'depth' or 'normals'"):format(tostring(name), tostring(kind))
    end
  end
end

--- Gives roles to image inputs and dense targets, and works out what the transforms do to their shapes.
-- @param what "data.npy", for messages
-- @param o transforms, mean, std, dense (kinds by target), target_names: as the data set's options
-- @param fields inputs, then targets; their `role` is set
-- @param names of the inputs
-- @return shapes of the inputs, transforms as core.loader takes them (nil: none), shapes before them
function pixels.prepare(what, o, fields, names)
  local shapes, before, image, list = {}, {}, nil, nil
  local transforms = o.transforms and #o.transforms > 0 and o.transforms or nil
  for i, name in ipairs(names) do
    local shape = pixels.shape(fields[i])
    before[i] = core.array(shape)
    if (transforms or o.mean or o.std) and #shape == 3 then
      if image and image[1] ~= shape[1] then
        error(("%s: transforms: inputs '%s' and '%s' have %d and %d channels, which should be as many"):format(what,
          names[1], name, image[1], shape[1]), 0)
      end
      image, fields[i].role = image or shape, "image"
      list = list or transform.list(transforms, shape[1], o.mean, o.std)
      local height, width = transform.size(transforms, shape[2], shape[3], ("%s: input '%s'"):format(what, name))
      shape = { shape[1], height, width }
    end
    shapes[i] = shape
  end
  if transforms and not image then
    error(("%s: transforms are for images, but no input is [channels, height, width]"):format(what), 0)
  end
  for i, name in ipairs(o.target_names or {}) do
    local field = fields[#names + i]
    local kind, shape = o.dense and o.dense[name], pixels.shape(field)
    field.role = kind
    if kind and not pixels.is(kind, shape) then
      error(("%s: target '%s' is [%s], but %s are %s"):format(what, name, table.concat(shape, ", "),
        kind == "depth" and "depths" or kind, pixels.kinds[kind]), 0)
    elseif kind and image and (shape[#shape - 1] ~= image[2] or shape[#shape] ~= image[3]) then
      error(("%s: target '%s' is %d x %d (height x width), but its images are %d x %d"):format(what, name,
        shape[#shape - 1], shape[#shape], image[2], image[3]), 0)
    elseif transforms and not kind and #shape >= 2 then
      error(("%s: target '%s' is [%s], and would not move with its image: dense = { %s = \"labels\" }, \"depth\" or "
        .. "\"normals\" says what it is"):format(what, name, table.concat(shape, ", "), name), 0)
    end
  end
  for name in pairs(o.dense or {}) do
    local found = false
    for _, target in ipairs(o.target_names or {}) do
      found = found or target == name
    end
    if not found then
      error(("%s: dense: %s"):format(what, require "mtl.nearest".unknown("target", name, o.target_names)), 0)
    end
  end
  return shapes, list, core.array(before)
end

--- Adds to a description of a dense target what it is, and its shape after the transforms.
function pixels.describe(description, field, transforms, where)
  local kind = field.role
  if kind then
    description.dense = kind
    local shape = pixels.shape(field)
    local n = #shape
    shape[n - 1], shape[n] = transform.size(transforms, shape[n - 1], shape[n], where)
    description.shape = shape
  end
  return description
end

return pixels
