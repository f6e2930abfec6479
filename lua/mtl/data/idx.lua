--- mtl.data.idx { train = { input = FILE, digit = FILE }, test = { ... }, split = { .9, .1 }, mean = 0, std = 1 }
-- Images and labels in the format of MNIST, plain or gzipped. `input` is the image file, the other names are targets.
-- A split without files of its own is cut from train by the fractions of `split`. Pixels reach the model as
-- (x / 255 - mean) / std; with `transforms`, those come before mean and std. sample: sample.lua.
local data = require "mtl.data"
local core = require "mtl.core"
local files = require "mtl.data.files"
local pixels = require "mtl.data.pixels"
local sample = require "mtl.data.sample"
local set = require "mtl.data.set"
local split = require "mtl.data.split"
local transform = require "mtl.transform"

-- Images of the file as [rows, channels, height, width].
local function images(file)
  local t = core.idx_read(file)
  if t:dtype() ~= "uint8" or t:rank() < 2 then
    error(("%s: holds %s in %d dimension%s, which should be images: uint8 in 3 (images, height, width)"):format(file,
      t:dtype(), t:rank(), t:rank() == 1 and "" or "s"), 0)
  end
  local shape = t:shape()
  return #shape == 3 and t:reshape(shape[1], 1, shape[2], shape[3]) or t
end

local function labels(file)
  local t = core.idx_read(file)
  if t:rank() ~= 1 or t:dtype() == "float32" then
    error(("%s: %s of rank %d, which should be one whole number an image"):format(file, t:dtype(), t:rank()), 0)
  end
  return t:cast("int32")
end

local function read(at, of, names, scale, shift)
  local fields = { { tensor = images(files.file(of.input, at)), scale = scale, shift = shift } }
  for i, name in ipairs(names) do
    if not of[name] then
      error(("data.idx: target '%s' has a file for train, but not for every split"):format(name), 0)
    end
    fields[i + 1] = { tensor = labels(files.file(of[name], at)) }
    if #fields[i + 1].tensor ~= #fields[1].tensor then
      error(("%s: %d labels, but %s has %d images"):format(of[name], #fields[i + 1].tensor, of.input,
        #fields[1].tensor), 0)
    end
  end
  return fields
end

return data.define {
  name = "idx",
  params = {
    train = { required = true, type = "table" },
    valid = { type = "table" },
    test = { type = "table" },
    split = { default = { 1 }, type = "table", check = split.check },
    classes = { type = "table" },
    transforms = { type = "table", check = transform.check },
    sample = sample.param,
    mean = { default = 0, type = "number" },
    std = { default = 1, type = "number", above = 0 },
    batch = { default = 64, type = "size" },
    seed = { default = 1, type = "integer" },
  },
  open = function(self, at)
    local names = {}
    for name in pairs(self.train) do
      if name ~= "input" then
        names[#names + 1] = name
      end
    end
    table.sort(names)
    if not self.train.input or #names == 0 then
      error("data.idx: train should name files for 'input' and at least one target", 0)
    end
    local augmented = self.transforms and #self.transforms > 0
    local scale, shift = 1 / 255 / self.std, -self.mean / self.std
    if augmented then
      scale, shift = 1 / 255, 0
    end
    local whole = read(at, self.train, names, scale, shift)
    local shapes, transforms, before = pixels.prepare("data.idx", { transforms = self.transforms,
      mean = augmented and self.mean, std = augmented and self.std }, whole, { "input" })
    local fields = split.apply(whole, split.rows(#whole[1].tensor, self.split, self.seed))
    for _, name in ipairs { "valid", "test" } do
      if self[name] then
        fields[name] = read(at, self[name], names, scale, shift)
        fields[name][1].role = whole[1].role
      end
    end
    local targets = set.describe_all(fields, 1, names, { classes = self.classes })
    return set.new { kind = "idx", input_shapes = shapes, targets = targets, target_names = names, fields = fields,
      batch = self.batch, seed = self.seed, transforms = transforms, sample = self.sample,
      state = { scale = scale, shift = shift, shapes = before, targets = targets,
        transforms = core.array(transforms or {}) } }
  end,
}
