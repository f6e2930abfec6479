--- An opened data set: tensors of each split in memory, in the order that a loader hands them out (inputs, then
-- targets), and what is known about them. `state` is a plain table: what another run needs to read new data the same
-- way.
local set = {}
set.__index = set

set.splits = { "train", "valid", "test" }

--- @param t inputs (names), input_shapes (without the batch), target_names, targets (descriptions by name),
-- fields = { train = { { tensor =, scale =, shift = }, ... }, ... }, batch, seed, state
function set.new(t)
  t.inputs = t.inputs or { "input" }
  t.state = t.state or {}
  t.rows = {}
  for _, split in ipairs(set.splits) do
    local fields = t.fields[split]
    local rows = fields and #fields[1].tensor or 0
    if rows > 0 then
      for i = 2, #fields do
        if #fields[i].tensor ~= rows then
          error(("data: split '%s' has %d rows of '%s' and %d of '%s'"):format(split, rows, t.inputs[1],
            #fields[i].tensor, t.inputs[i] or t.target_names[i - #t.inputs]), 0)
        end
      end
      t.rows[split] = rows
    end
  end
  if not t.rows.train then
    error("data: the split 'train' is empty", 0)
  end
  t.tensors, t.fields = t.fields, nil -- `fields` is the method
  return setmetatable(t, set)
end

--- What core.loader takes, for one split; nil where there is none.
function set:fields(split)
  return self.rows[split] and self.tensors[split]
end

--- How a tensor of targets is described: whole numbers are classes, floats numbers.
-- @param tensors of the splits, of one dtype
function set.describe(name, tensors, classes)
  if tensors[1]:dtype() == "float32" then
    local shape = tensors[1]:shape()
    table.remove(shape, 1)
    return { kind = "number", shape = shape }
  end
  local highest = -1
  for _, t in ipairs(tensors) do
    if #t > 0 then
      if t:rank() < 1 or t:cast("float32"):min():item() < -1 then
        error(("data: target '%s' has a class below -1; classes count from 0, and -1 is a missing label"):format(name),
          0)
      end
      highest = math.max(highest, math.tointeger(t:cast("float32"):max():item()))
    end
  end
  if classes and highest >= classes then
    error(("data: target '%s' has class %d, but there are %d classes, 0 to %d"):format(name, highest, classes,
      classes - 1), 0)
  end
  return { kind = "class", classes = classes or math.max(highest + 1, 1) }
end

return set
