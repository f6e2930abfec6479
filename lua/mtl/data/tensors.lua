--- mtl.data.tensors { inputs = t | { field = t }, targets = { left = t }, split = { .8, .1, .1 }, batch = 32 }
-- Tensors in memory. Row i of every tensor is one example; int32 and uint8 targets are classes (-1: missing), floats
-- numbers (NaN: missing). uint8 inputs reach the model divided by 255.
local data = require "mtl.data"
local core = require "mtl.core"
local set = require "mtl.data.set"
local split = require "mtl.data.split"

local function sorted(t)
  local names = {}
  for name in pairs(t) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function tensor(what, t)
  if core.type(t) ~= "mtl.tensor" or t:rank() < 1 then
    error(("data.tensors: %s should be a tensor whose first dimension counts examples"):format(what), 0)
  end
  return t
end

return data.define {
  name = "tensors",
  params = {
    inputs = { required = true, type = "table or tensor" },
    targets = { required = true, type = "table" },
    split = { default = { 0.8, 0.1, 0.1 }, type = "table", check = split.check },
    classes = { type = "table" },
    batch = { default = 32, type = "size" },
    seed = { default = 1, type = "integer" },
  },
  open = function(self)
    local inputs = core.type(self.inputs) == "mtl.tensor" and { input = self.inputs } or self.inputs
    local names, target_names = sorted(inputs), sorted(self.targets)
    local fields, shapes, targets = {}, {}, {}
    for i, name in ipairs(names) do
      local t = tensor("input '" .. name .. "'", inputs[name])
      shapes[i] = t:shape()
      table.remove(shapes[i], 1)
      fields[i] = { tensor = t, scale = 1 / 255, shift = 0 }
    end
    for _, name in ipairs(target_names) do
      local t = tensor("target '" .. name .. "'", self.targets[name])
      if t:dtype() == "uint8" then
        t = t:cast("int32")
      end
      targets[name] = set.describe(name, { t }, self.classes and self.classes[name])
      fields[#fields + 1] = { tensor = t }
    end
    for i, field in ipairs(fields) do
      if #field.tensor ~= #fields[1].tensor then
        error(("data.tensors: '%s' has %d rows, but '%s' has %d"):format(names[i] or target_names[i - #names],
          #field.tensor, names[1], #fields[1].tensor), 0)
      end
    end
    local rows = split.rows(#fields[1].tensor, self.split, self.seed)
    return set.new { inputs = names, input_shapes = shapes, targets = targets, target_names = target_names,
      fields = split.apply(fields, rows), batch = self.batch, seed = self.seed, state = { targets = targets } }
  end,
}
