--- mtl.data.images { dir = "photos", ... }: a folder of PNG files.
-- Labels: a subfolder a class (the target is "label", unless `target` names it); or `labels = "labels.csv"`, a table
-- whose column `file` names the images, its other columns being targets as data.csv has them (`targets` chooses); or
-- dense targets, `targets = { seg = { dir = "labels", kind = "labels", classes = 13 } }` (dense.lua); also together.
-- split: fractions; { column = "fold" } of labels.csv; or folders of `dir`, { train = "train", test = "test" }.
local core = require "mtl.core"
local columns = require "mtl.data.columns"
local data = require "mtl.data"
local dense = require "mtl.data.dense"
local files = require "mtl.data.files"
local labels = require "mtl.data.labels"
local listing = require "mtl.data.listing"
local sample = require "mtl.data.sample"
local set = require "mtl.data.set"
local split = require "mtl.data.split"
local transform = require "mtl.transform"

local modes = { "gray", "gray_alpha", "rgb", "rgba" }

-- Channels of images, by what the first file is, and their sizes, which should be equal unless they are resized.
local function inspect(self, rows, transforms, state)
  local mode = self.mode or state and state.mode
  if not mode and rows[1].name:lower():find "%.png$" then
    mode = modes[files.shape(rows[1], "any")[1]]
    mode = mode == "gray_alpha" and "gray" or mode
  end
  local resized = transform.resizes(transforms)
  local first
  for _, row in ipairs(rows) do
    local shape = files.shape(row, mode)
    first = first or shape
    if #shape ~= 3 or shape[1] ~= first[1] then
      error(("%s/%s: holds [%s], but images are [channels, height, width], and those of the first file %d channels")
        :format(self.dir, row.name, table.concat(shape, ", "), first[1]), 0)
    end
    row.height, row.width = shape[2], shape[3]
    if not resized and (row.height ~= rows[1].height or row.width ~= rows[1].width) then
      error(("%s/%s: is %d x %d (height x width), but %s is %d x %d: transforms = { mtl.transform.resize(%d, %d) } "
        .. "makes them equal"):format(self.dir, row.name, row.height, row.width, rows[1].name, rows[1].height,
        rows[1].width, rows[1].height, rows[1].width), 0)
    end
  end
  return mode, first[1], resized
end

-- Whether all sizes are equal, so that the files can lie in memory as one tensor.
local function equal(rows)
  for _, row in ipairs(rows) do
    if row.height ~= rows[1].height or row.width ~= rows[1].width then
      return false
    end
  end
  return true
end

-- A label for each image, from the name of its folder. @return field, description
local function classes_of(rows, train, kept, dir)
  local levels, place, codes, trained = kept or {}, {}, {}, {}
  if not kept then
    for _, row in ipairs(rows) do
      if not place[row.class] then
        levels[#levels + 1], place[row.class] = row.class, true
      end
    end
    table.sort(levels)
  end
  place = {}
  for i, level in ipairs(levels) do
    place[level] = i - 1
  end
  for i, row in ipairs(rows) do
    codes[i] = place[row.class] or error(("%s/%s: class '%s' is none of those of the training images: %s"):format(dir,
      row.name, row.class, table.concat(levels, ", ")), 0)
  end
  for _, i in ipairs(train:totable()) do
    trained[rows[i + 1].class] = true
  end
  for _, level in ipairs(levels) do
    if not trained[level] then
      error(("%s: class '%s' has no image in the split 'train'"):format(dir, level), 0)
    end
  end
  return { tensor = core.tensor(codes, "int32") }, { kind = "class", classes = #levels, levels = core.array(levels) }
end

local function add(targets, name, field, description)
  table.insert(targets.names, name)
  table.insert(targets.fields, field)
  targets.descriptions[name] = description
end

-- Labels of subfolders and of columns.
local function read_labels(self, at, list, targets)
  local state, kept, train = at.state, targets.kept, list.split.train
  if list.classes then
    local field, description = classes_of(list.rows, train, state and state.levels, self.dir)
    kept.levels = description.levels
    add(targets, list.classes, field, description)
  elseif list.csv then
    if state then
      labels.check_state("data.images", list.specs, state.targets)
    end
    local raw = labels.read(list.csv, self.labels, list.specs, (state or at.like or {}).targets)
    labels.check(self.labels, list.specs, list.names, raw, train)
    kept.columns = state and state.targets or labels.fit(list.names, raw, train, at.like)
    local fields, descriptions = labels.encode(list.names, raw, kept.columns)
    for i, name in ipairs(list.names) do
      add(targets, name, fields[i], descriptions[name])
    end
  end
end

-- The column of weights that `sample` names, for the training rows.
local function weights(self, list)
  local name = self.sample and self.sample.column
  if name and not list.csv then
    error(("data.images: sample: '%s' would be a column of labels.csv, and there is none"):format(name), 0)
  end
  if name then
    columns.check(list.csv, self.labels, name)
  end
  return name and list.csv:numbers(name):take(1, list.split.train)
end

local function in_memory(self, fields, same)
  local bytes = 0
  for _, field in ipairs(fields) do
    bytes = bytes + (field.source and files.bytes(field.source) or 0)
  end
  if self.memory and not same then
    error(("%s: memory = true, but the images have several sizes; they are read from the disk"):format(self.dir), 0)
  end
  return same and (self.memory or self.memory == nil and bytes < set.MEMORY)
end

local function check_targets(targets)
  for name, s in pairs(targets) do
    if type(name) ~= "string" then
      return "targets should be by name: { label = \"label\", seg = { dir = ... } }"
    end
    local wrong
    if type(s) == "table" and (s.dir ~= nil or s.kind ~= nil) then
      wrong = dense.check(name, s)
    else
      wrong = select(2, pcall(labels.specs, "targets", { [name] = s }))
      wrong = type(wrong) == "string" and wrong
    end
    if wrong then
      return wrong
    end
  end
end

return data.define {
  name = "images",
  params = {
    dir = { required = true, type = "string" },
    labels = { type = "string" },
    file = { default = "file", type = "string" },
    target = { type = "string" },
    targets = { type = "table", check = check_targets },
    missing = { type = "string" },
    separator = columns.separator,
    decimal = columns.decimal,
    mode = { choices = { "rgb", "gray", "rgba" } },
    mean = { type = "number or numbers" },
    std = { type = "number or numbers", above = 0 },
    transforms = { type = "table", check = transform.check },
    split = { type = "table", check = listing.check_split },
    memory = { type = "boolean" },
    sample = sample.param,
    batch = { default = 64, type = "size" },
    seed = { default = 1, type = "integer" },
  },
  derive = function(self)
    if self.target and self.labels then
      return "target names the classes of subfolders; with labels, the columns are the targets"
    end
    for name, s in pairs(self.targets or {}) do
      if not self.labels and not (type(s) == "table" and s.dir) then
        return ("targets.%s: without labels = \"labels.csv\" there are no columns; a dense target is { dir =, kind = }")
          :format(name)
      end
    end
  end,
  open = function(self, at)
    local list, declared = listing.open(self, at), self.transforms or {}
    local rows = list.rows
    local mode, channels, resized = inspect(self, rows, declared, at.state)
    local targets = { names = {}, fields = {}, descriptions = {}, kept = {} }
    read_labels(self, at, list, targets)
    local same = equal(rows)
    for _, name in ipairs(list.dense) do
      local field, description, one_size = dense.open(name, self.targets[name], rows, list.every, at, { dir = self.dir,
        resized = resized, transforms = declared })
      same = same and one_size
      add(targets, name, field, description)
    end
    local fields = { { source = files.source(rows, mode), role = "image", scale = 1 / 255, shift = 0 },
      table.unpack(targets.fields) }
    local height, width = transform.size(declared, rows[1].height, rows[1].width, self.dir)
    local transforms = transform.list(declared, channels, self.mean, self.std)
    local of_split = split.apply(fields, list.split)
    if in_memory(self, fields, same) then
      for name, of in pairs(of_split) do
        of_split[name] = files.load(of)
      end
    end
    for i, name in ipairs(targets.names) do
      if targets.descriptions[name].dense == "labels" then
        dense.check_values(name, self.targets[name], of_split, i + 1, targets.descriptions[name])
      end
    end
    return set.new { kind = "images", input_shapes = { { channels, height, width } }, targets = targets.descriptions,
      target_names = targets.names, fields = of_split, batch = self.batch, seed = self.seed, transforms = transforms,
      sample = self.sample, sample_column = weights(self, list),
      state = { mode = mode, scale = 1 / 255, shift = 0, shapes = { { channels, rows[1].height, rows[1].width } },
        transforms = core.array(transforms), targets = targets.kept.columns, levels = targets.kept.levels } }
  end,
}
