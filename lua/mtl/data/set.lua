--- An opened data set: the fields of each split in the order that a loader hands them out (inputs, then targets), and
-- what is known about them. `state` is a plain table: what another run needs to read new data the same way, as the
-- kind of data (`kind`: "csv", "images" ...) understands it.
local core = require "mtl.core"
local pixels = require "mtl.data.pixels"
local sample = require "mtl.data.sample"

local set = {}
local meta = { __index = set } -- apart, so that a recipe that opens a set does not reach the methods

set.splits = { "train", "valid", "test" }
set.MEMORY = 256 << 20 -- bytes: what is smaller is held in memory unless told

--- Rows of a field.
function set.count(field)
  return field.rows and #field.rows or #(field.tensor or field.source)
end

-- Every split has as many rows of each field, and rows of one shape (of images, after the transforms).
local function check(t, split, fields)
  for i, field in ipairs(fields) do
    local name = t.inputs[i] or t.target_names[i - #t.inputs]
    if set.count(field) ~= set.count(fields[1]) then
      error(("data: split '%s' has %d rows of '%s' and %d of '%s'"):format(split, set.count(fields[1]), t.inputs[1],
        set.count(field), name), 0)
    end
    local train = t.fields.train and t.fields.train[i]
    if train and not t.transforms then
      local here, there = table.concat(pixels.shape(field), ", "), table.concat(pixels.shape(train), ", ")
      if here ~= there then
        error(("data: split '%s' has rows of '%s' of shape [%s], and 'train' of shape [%s]"):format(split, name, here,
          there), 0)
      end
    end
  end
end

--- @param t kind, inputs (names), input_shapes (without the batch), target_names, targets (descriptions by name),
-- fields = { train = { { tensor = | source =, rows =, role =, scale =, shift =, missing =,
-- classes = }, ... }, ... }, batch, seed,
-- state, codes (of inputs for nn.embedding: how many, by name), transforms (as core.loader takes them), sample (the
-- option), sample_column (numbers of the training rows)
function set.new(t)
  t.kind, t.inputs, t.state, t.rows = t.kind or "tensors", t.inputs or { "input" }, t.state or {}, {}
  for _, split in ipairs(set.splits) do
    local fields = t.fields[split]
    local rows = fields and set.count(fields[1]) or 0
    if rows > 0 then
      check(t, split, fields)
      t.rows[split] = rows
    end
  end
  if not t.rows.train then
    error("data: the split 'train' is empty", 0)
  end
  t.tensors, t.fields = t.fields, nil -- `fields` is the method
  setmetatable(t, meta)
  t.weights = t.sample and sample.weights(t.sample, t, t.sample_column)
  return t
end

--- Refuses a model (libmtl's JSON) that these data do not fit in a way that shapes do not show.
function set:check_model(json)
  if self.codes then
    require "mtl.data.features".check_codes(self.codes, core.json_decode(json))
  end
end

--- What core.loader takes, for one split; nil where there is none.
function set:fields(split)
  return self.rows[split] and self.tensors[split]
end

--- A loader of one split; nil where there is none. Only that of "train" draws by weights.
function set:loader(split)
  local fields = self:fields(split)
  return fields and core.loader(fields, self.batch,
    { transforms = self.transforms, weights = split == "train" and self.weights or nil })
end

-- Labels as the loader maps them: values of 0 to 255 by a table, others stay.
local function classes_of(labels, classes)
  local x = labels:cast "float32"
  local of_table = classes:take(1, x:clamp(0, 255):cast("int32"):reshape(-1)):reshape(table.unpack(x:shape()))
  return core.where((x:lt(0) + x:gt(255)):gt(0), x, of_table:cast "float32"):cast "int32"
end

--- A field as the loader would give it, before transforms. @param t rows of its tensor or source
function set.values(field, t)
  local role, missing = field.role, nil
  if field.missing then
    local is = (t:dtype() == "float32" and t or t:cast "float32"):eq(field.missing)
    missing = role == "normals" and is:min(2):reshape(#t, 1, t:shape(3), t:shape(4)) or is
  end
  if role == "labels" then
    t = t:dtype() == "int32" and t or t:cast "int32"
    t = field.classes and classes_of(t, field.classes) or t
    return missing and core.where(missing, -1, t:cast "float32"):cast "int32" or t
  elseif t:dtype() == "uint8" then
    t = t:cast "float32" * (field.scale or 1) + (field.shift or 0)
  elseif role == "depth" and field.scale then
    t = t * field.scale + (field.shift or 0)
  end
  return missing and core.where(missing, 0 / 0, t) or t
end

--- The i-th field of a split as a tensor, to fit something by; of a field on the disk, rows spread over all of it: at
-- most 4096, of at most 256 MiB.
-- @return tensor, how many rows of the split one of its rows stands for
function set:target_tensor(split, i)
  local field = self:fields(split)[i]
  local n = set.count(field)
  if field.tensor then
    return set.values(field, field.rows and field.tensor:take(1, field.rows) or field.tensor), 1
  end
  local size = 4
  for _, d in ipairs(field.source:shape()) do
    size = size * d
  end
  local most = math.max(1, math.min(n, 4096, set.MEMORY // math.max(size, 1)))
  local rows = {}
  for k = 1, most do
    rows[k] = (k - 1) * n // most
  end
  rows = core.tensor(rows, "int32")
  return set.values(field, field.source:take(field.rows and field.rows:take(1, rows) or rows)), n / most
end

--- How a tensor of targets is described: whole numbers are classes, floats numbers. Refuses one without any label.
-- @param tensors of the splits, of one dtype, that of the training rows first
function set.describe(name, tensors, classes)
  local shape = tensors[1]:shape()
  table.remove(shape, 1)
  if tensors[1]:dtype() == "float32" then
    if tensors[1]:isnan():min():item() == 1 then
      error(("data: target '%s' has no label in the %d training rows: every value is NaN"):format(name,
        #tensors[1]), 0)
    end
    return { kind = "number", shape = shape }
  end
  local highest = {}
  for i, t in ipairs(tensors) do
    highest[i] = -1
    if t:count() > 0 then
      if t:rank() < 1 or t:cast("float32"):min():item() < -1 then
        error(("data: target '%s' has a class below -1; classes count from 0, and -1 is a missing label"):format(name),
          0)
      end
      highest[i] = math.tointeger(t:cast("float32"):max():item())
    end
  end
  local most = math.max(table.unpack(highest))
  if classes and most >= classes then
    error(("data: target '%s' has class %d, but there are %d classes, 0 to %d"):format(name, most, classes,
      classes - 1), 0)
  elseif highest[1] < 0 then
    error(("data: target '%s' has no label in the %d training rows: every one is -1"):format(name, #tensors[1]), 0)
  end
  return { kind = "class", classes = classes or most + 1, shape = #shape > 0 and shape or nil }
end

-- Of a target on the disk, whose values are not looked through.
local function describe_source(name, source, classes)
  if source:dtype() == "float32" then
    return { kind = "number", shape = source:shape() }
  elseif not classes then
    error(("data: target '%s' is read from the disk, so classes = { %s = N } should say how many there are"):format(
      name, name), 0)
  end
  return { kind = "class", classes = classes, shape = source:shape() }
end

--- Descriptions of targets.
-- @param fields by split
-- @param inputs how many fields come before the targets
-- @param options classes = numbers of classes by name; transforms
function set.describe_all(fields, inputs, names, options)
  local targets = {}
  for i, name in ipairs(names) do
    local tensors = {}
    for _, split in ipairs(set.splits) do
      tensors[#tensors + 1] = fields[split] and fields[split][inputs + i].tensor
    end
    if not fields.train then
      error("data: the split 'train' is empty", 0)
    end
    local field, classes = fields.train[inputs + i], options.classes and options.classes[name]
    local description = field.tensor and set.describe(name, tensors, classes)
      or describe_source(name, field.source, classes)
    targets[name] = pixels.describe(description, field, options.transforms, "data: target '" .. name .. "'")
  end
  return targets
end

return set
