--- mtl.data.tensors { inputs = t | { field = t }, targets = { left = t }, split = { .8, .1, .1 }, batch = 32 }
-- Tensors in memory. Row i of every tensor is one example; int32 and uint8 targets are classes (-1: missing), floats
-- numbers (NaN: missing). uint8 inputs reach the model divided by 255. transforms: of inputs [rows, channels, height,
-- width]. sample: sample.lua.
local data = require "mtl.data"
local core = require "mtl.core"
local pixels = require "mtl.data.pixels"
local sample = require "mtl.data.sample"
local set = require "mtl.data.set"
local split = require "mtl.data.split"
local sorted = require "mtl.sorted"
local transform = require "mtl.transform"

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
    transforms = { type = "table", check = transform.check },
    dense = { type = "table", check = pixels.check },
    sample = sample.param,
    batch = { default = 32, type = "size" },
    seed = { default = 1, type = "integer" },
  },
  open = function(self)
    local inputs = core.type(self.inputs) == "mtl.tensor" and { input = self.inputs } or self.inputs
    local names, target_names = sorted(inputs), sorted(self.targets)
    local fields = {}
    for i, name in ipairs(names) do
      fields[i] = { tensor = tensor("input '" .. name .. "'", inputs[name]), scale = 1 / 255, shift = 0 }
    end
    for _, name in ipairs(target_names) do
      local t = tensor("target '" .. name .. "'", self.targets[name])
      fields[#fields + 1] = { tensor = t:dtype() == "uint8" and t:cast "int32" or t }
    end
    for i, field in ipairs(fields) do
      if #field.tensor ~= #fields[1].tensor then
        error(("data.tensors: '%s' has %d rows, but '%s' has %d"):format(names[i] or target_names[i - #names],
          #field.tensor, names[1], #fields[1].tensor), 0)
      end
    end
    local shapes, transforms, before = pixels.prepare("data.tensors", { transforms = self.transforms,
      dense = self.dense, target_names = target_names }, fields, names)
    local of_split = split.apply(fields, split.rows(#fields[1].tensor, self.split, self.seed))
    local targets = set.describe_all(of_split, #names, target_names, self)
    return set.new { kind = "tensors", inputs = names, input_shapes = shapes, targets = targets,
      target_names = target_names, fields = of_split, batch = self.batch, seed = self.seed, transforms = transforms,
      sample = self.sample,
      state = { shapes = before, targets = targets, transforms = core.array(transforms or {}) } }
  end,
}
