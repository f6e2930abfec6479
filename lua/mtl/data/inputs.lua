--- New inputs for a model that was trained: files to tensors, read and normalised as the training rows were.
local arrays = require "mtl.data.arrays"
local columns = require "mtl.data.columns"
local core = require "mtl.core"
local features = require "mtl.data.features"
local files = require "mtl.data.files"
local set = require "mtl.data.set"
local transform = require "mtl.transform"

local inputs = {}

local modes = { "gray", nil, "rgb", "rgba" }

local function ending(file)
  return (file:match "%.(%w+)$" or ""):lower()
end

local function shown(shape)
  return "[" .. table.concat(shape, ", ") .. "]"
end

-- What kept columns were asked for, as features.read takes it.
local function specs_of(state, names)
  local specs = { names = names, of = {}, codes = state.fields ~= nil }
  for _, name in ipairs(names) do
    specs.of[name] = {}
    for i, fitted in ipairs(specs.codes and state.fields[name] or state.inputs) do
      specs.of[name][i] = { column = fitted.column, log = fitted.log }
    end
  end
  return specs
end

local function check_columns(file, csv, specs, separator)
  local there, wanted = {}, {}
  for _, name in ipairs(csv:names()) do
    there[name] = true
  end
  for _, name in ipairs(specs.names) do
    for _, spec in ipairs(specs.of[name]) do
      wanted[#wanted + 1] = spec.column
    end
  end
  for _, column in ipairs(wanted) do
    if not there[column] then
      local separated = #csv:names() == 1 and ("; the header has one column, and fields should be separated by '%s', "
        .. "as in training"):format(separator or ",") or ""
      error(("%s: no column '%s'; the model reads %s%s"):format(file, column, table.concat(wanted, ", "), separated), 0)
    end
  end
end

local function tables(state, info, list, check)
  local specs, parts, names = specs_of(state, info.inputs), {}, {}
  for _, file in ipairs(list) do
    if ending(file) == "png" or ending(file) == "npy" or ending(file) == "npz" then
      error(("%s: the model reads tables, CSV files with the columns that it was trained with"):format(file), 0)
    end
    local path = check(file) -- its header first: with another separator than in training, rows are wrong in any way
    check_columns(file, core.csv_read(path, { separator = state.separator, names_only = true }), specs, state.separator)
    local csv = columns.read(path, state)
    if csv:rows() == 0 then
      error(("%s: a header and no rows"):format(file), 0)
    end
    for i, field in ipairs((features.encode(specs, features.read(csv, file, specs, state), state))) do
      parts[i] = parts[i] or {}
      table.insert(parts[i], field.tensor)
    end
    for row = 1, csv:rows() do
      names[#names + 1] = ("%s:%d"):format(file, csv:line(row))
    end
  end
  for i, part in ipairs(parts) do
    parts[i] = core.cat(part, 1)
  end
  return parts, names
end

-- ---- images and arrays ----

-- Rows of an array, [rows, ...], or of a single one.
local function rows_of(file, t, want, resized)
  if #want == 1 and want[1] == 1 and t:rank() == 1 then -- a number a row
    t = t:reshape(-1, 1)
  end
  local shape, fits = t:shape(), true
  local single = #shape == #want
  local first = single and 0 or 1
  for i, size in ipairs(want) do
    fits = fits and (shape[first + i] == size or resized and i > #want - 2)
  end
  if #shape ~= #want + first or not fits then
    error(("%s: holds %s, and the model reads [rows, %s (or a single row of it)"):format(file, shown(shape),
      shown(want):sub(2)), 0)
  end
  return single and t:reshape(1, table.unpack(shape)) or t
end

local function from_png(file, absolute, want, state, resized)
  local mode = state.mode or modes[want[1]]
  if #want ~= 3 or not mode then
    error(("%s: a PNG file, and the model reads rows of %s"):format(file, shown(want)), 0)
  end
  local field = { source = files.source({ { path = absolute, name = file } }, mode) }
  local shape = field.source:shape()
  if not resized and (shape[2] ~= want[2] or shape[3] ~= want[3]) then
    error(("%s: is %d x %d (height x width), and the model reads images of %d x %d: resize the file, or train "
      .. "with mtl.transform.resize(%d, %d) first, which then acts here too"):format(file, shape[2], shape[3], want[2],
      want[3], want[2], want[3]), 0)
  end
  return field
end

-- Fields of one file for the input `name`.
local function open(file, absolute, name, want, state, resized)
  local kind = ending(file)
  if kind == "png" then
    return from_png(file, absolute, want, state, resized)
  end
  local t
  if kind == "npz" then
    t = arrays.open({ path = function() return absolute end }, { path = file, name = name }, {}).tensor
  elseif kind == "npy" then
    t = core.npy_read(absolute)
  elseif kind == "csv" then
    error(("%s: a table, and the model reads rows of %s: PNG, NPY or NPZ files"):format(file, shown(want)), 0)
  else
    t = core.idx_read(absolute)
    local shape = t:shape()
    t = #shape == 3 and #want == 3 and t:reshape(shape[1], 1, shape[2], shape[3]) or t
  end
  return { tensor = rows_of(file, t, want, resized) }
end

-- A field as the model reads it: scaled, through the transforms as outside of training, or normalised.
local function finish(field, name, state, is_image)
  if is_image and state.transforms and #state.transforms > 0 then
    field.role, field.scale, field.shift = "image", state.scale or 1 / 255, state.shift or 0
    local parts, loader = {}, core.loader({ field }, 64, { transforms = state.transforms })
    loader:start(false, 0, 0, 0)
    for batch in function() return loader:next() end do
      parts[#parts + 1] = batch[1]
    end
    return core.cat(parts, 1)
  end
  field.scale, field.shift = state.scale or 1 / 255, state.shift or 0
  local t = set.values(field, field.tensor or field.source:take(core.arange(1, "int32")))
  local fitted = state.normalize and state.normalize[name]
  t = t:dtype() == "float32" and t or t:cast "float32"
  return fitted and not is_image and arrays.normalize(t, fitted, true) or t
end

local function arrays_of(name, want, state, list, check)
  local resized, parts, names = #want == 3 and transform.resizes(state.transforms), {}, {}
  for _, file in ipairs(list) do
    local field = open(file, check(file), name, want, state, resized)
    local rows = finish(field, name, state, #want == 3)
    parts[#parts + 1] = rows
    for row = 1, #rows do
      names[#names + 1] = ending(file) == "png" and file or ("%s:%d"):format(file, row)
    end
  end
  return core.cat(parts, 1), names
end

-- Which files are for which input: NAME=FILE where there are several inputs; an NPZ file has them by name.
local function assign(info, list)
  local of = {}
  for _, name in ipairs(info.inputs) do
    of[name] = {}
  end
  for _, file in ipairs(list) do
    local name, rest = file:match "^([%w_%-]+)=(.+)$"
    if #info.inputs == 1 then
      table.insert(of[info.inputs[1]], file)
    elseif ending(file) == "npz" and not name then
      for _, input in ipairs(info.inputs) do
        table.insert(of[input], file)
      end
    elseif of[name or ""] then
      table.insert(of[name], rest)
    else
      error(("%s: the model reads several inputs (%s): say which with NAME=%s, or give an NPZ file with these names")
        :format(file, table.concat(info.inputs, ", "), file), 0)
    end
  end
  return of
end

-- Sets that are joined read alike.
local function of_kind(kind, state)
  state = state or {}
  if kind == "join" then
    return state.sets[1].kind, state.sets[1].state or {}
  end
  return kind, state
end

--- uint8 pixels in memory as the model reads them. @param kept what a run kept of their data set: kind, state
function inputs.pixels(kept, name, t)
  local _, state = of_kind(kept.kind, kept.state)
  return finish({ tensor = t }, name, state, t:rank() == 4)
end

--- Reads files for a model.
-- @param kind of the data set that it was trained with, `state` what that kept
-- @param info inputs (names), input_shapes (without the batch)
-- @param list of files, as people gave them
-- @param check function that gives the path to open of a file, or raises what is wrong with it
-- @return tensors [rows, ...] in the order of info.inputs, a name for each row ("cat.png", "new.csv:2")
function inputs.read(kind, state, info, list, check)
  kind, state = of_kind(kind, state)
  if #list == 0 then
    error("predict: which files should it read?", 0)
  elseif kind == "csv" then
    return tables(state, info, list, check)
  end
  local of, tensors, names = assign(info, list), {}, nil
  for i, name in ipairs(info.inputs) do
    if #of[name] == 0 then
      error(("no file for input '%s'; the model reads %s"):format(name, table.concat(info.inputs, ", ")), 0)
    end
    local t, found = arrays_of(name, state.shapes and state.shapes[i] or info.input_shapes[i], state, of[name], check)
    tensors[i], names = t, names or found
    if #found ~= #names then
      error(("input '%s' has %d rows, and input '%s' has %d"):format(name, #found, info.inputs[1], #names), 0)
    end
  end
  return tensors, names
end

return inputs
