--- multimnist: two handwritten digits laid over one another (Sener & Koltun, NeurIPS 2018). Targets: left, right, the
-- class of each digit. Source and license of the digits: multimnist/README.md.
--
-- A picture: 36 x 36 zeros, the left digit at [0:28, 0:28], the right one at [6:34, 6:34], the maximum where they
-- overlap, resized to 28 x 28. Nearest, by the centres of pixels: pixel i of 28 is pixel floor((i + 0.5) * 36 / 28) of
-- 36 (as in the authors' code, which calls PIL). The model sees (x / 255 - 0.1307) / 0.3081.
--
-- The digits are split before they are paired, so no digit is in two splits: the 5,000 that ship 4,000/500/500, in an
-- order that the data seed shuffles. In a split every digit comes up as often as any other, left and right: the k-th
-- pair takes the k-th digit of one endless row of permutations for each side.
--
-- With --data DIR: the full MNIST, train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
-- t10k-labels-idx1-ubyte (or with .gz): 55,000 digits of the first for train and 5,000 for valid, the second for test;
-- as many pairs as digits unless `train`, `valid`, `test` say otherwise.
local core = require "mtl.core"
local data = require "mtl.data"
local files = require "mtl.data.files"
local home = require "mtl.home"
local set = require "mtl.data.set"
local split = require "mtl.data.split"

local MEAN, STD = 0.1307, 0.3081
local SIDE, CANVAS, SHIFT = 28, 36, 6 -- of a digit, of the canvas, of the right digit
local CHUNK = 4096                    -- pairs made at once: bounds the memory for floats

local function shipped(seed)
  local file = home.files "multimnist"
  local digits = core.zeros(5000, SIDE * SIDE, "uint8")
  for i = 0, 9 do -- a sheet is 20 rows of 25 digits
    local sheet = core.png_read(file("digits-" .. i .. ".png")):reshape(20, SIDE, 25, SIDE):permute(1, 3, 2, 4)
    digits:slice(1, 500 * i + 1, 500 * i + 500):copy_(sheet:reshape(500, SIDE * SIDE))
  end
  local labels = core.csv_read(file "labels.csv"):numbers("label"):cast "int32"
  local order = core.permutation(#digits, seed, "multimnist/digits", 0)
  local fields = { { tensor = digits }, { tensor = labels } }
  return split.apply(fields, split.parts(order, { train = 4000, valid = 500, test = 500 }))
end

-- The digits of one pair of IDX files in --data DIR.
local function idx(at, stem)
  local function find(kind)
    for _, name in ipairs { "%s-%s-ubyte", "%s-%s-ubyte.gz", "%s.%s-ubyte", "%s.%s-ubyte.gz" } do
      local file = at.data_dir .. "/" .. name:format(stem .. "-" .. kind:match "^%a+", kind:match "idx%d")
      if core.stat(file) then
        return files.file(file, at)
      end
    end
    error(("multimnist: no %s-%s-ubyte[.gz] in %s"):format(stem, kind, at.data_dir), 0)
  end
  local image_file, label_file = find "images-idx3", find "labels-idx1"
  local images, labels = core.idx_read(image_file), core.idx_read(label_file)
  local shape = images:shape()
  if images:dtype() ~= "uint8" or #shape ~= 3 or shape[2] ~= SIDE or shape[3] ~= SIDE then
    error(("%s: should hold images of 28 x 28 bytes"):format(image_file), 0)
  elseif labels:rank() ~= 1 or #labels ~= shape[1] then
    error(("%s: should hold %d labels, one for each image"):format(label_file, shape[1]), 0)
  end
  labels = labels:cast "int32"
  set.describe("digit", { labels }, 10)
  return { { tensor = images:reshape(shape[1], SIDE * SIDE) }, { tensor = labels } }
end

local function full(at, seed)
  local whole = idx(at, "train")
  local n = #whole[1].tensor
  local valid = math.min(5000, n // 10)
  local order = core.permutation(n, seed, "multimnist/digits", 0)
  local digits = split.apply(whole, split.parts(order, { train = n - valid, valid = valid }))
  digits.test = idx(at, "t10k")
  return digits
end

-- Digits as they lie in the picture, [digits, 784] floats: blank where the picture shows what is outside of the digit.
local function view(images, offset)
  local index, inside = {}, {}
  for y = 0, SIDE - 1 do
    local row = (2 * y + 1) * CANVAS // (2 * SIDE) - offset
    for x = 0, SIDE - 1 do
      local column = (2 * x + 1) * CANVAS // (2 * SIDE) - offset
      local there = row >= 0 and row < SIDE and column >= 0 and column < SIDE
      index[#index + 1] = there and row * SIDE + column or 0
      inside[#inside + 1] = there and 1 or 0
    end
  end
  return images:take(2, core.tensor(index, "int32")):cast "float32" * core.tensor(inside)
end

local function partners(n, digits, seed, stream)
  local rows = {}
  for round = 0, (n - 1) // digits do
    rows[round + 1] = core.permutation(digits, seed, stream, round << 32)
  end
  return core.cat(rows, 1):slice(1, 1, n)
end

local function pair(digits, n, seed, name)
  local images, labels = digits[1].tensor, digits[2].tensor
  local left_view, right_view = view(images, 0), view(images, SHIFT)
  local left = partners(n, #images, seed, "multimnist/" .. name .. "/left")
  local right = partners(n, #images, seed, "multimnist/" .. name .. "/right")
  local out = core.zeros(n, 1, SIDE, SIDE, "uint8")
  local flat = out:reshape(n, SIDE * SIDE)
  for first = 1, n, CHUNK do
    local last = math.min(first + CHUNK - 1, n)
    local a = left_view:take(1, left:slice(1, first, last))
    local b = right_view:take(1, right:slice(1, first, last))
    flat:slice(1, first, last):copy_(a:maximum(b):cast "uint8")
  end
  return {
    { tensor = out, scale = 1 / 255 / STD, shift = -MEAN / STD },
    { tensor = labels:take(1, left) }, { tensor = labels:take(1, right) },
  }
end

return data.define {
  name = "multimnist",
  params = {
    train = { type = "size" }, -- pairs
    valid = { type = "size" },
    test = { type = "size" },
    batch = { default = 256, type = "size" },
    seed = { default = 1, type = "integer" },
  },
  open = function(self, at)
    local digits = at.data_dir and full(at, self.seed) or shipped(self.seed)
    local pairs_of = at.data_dir and {} or { train = 10000, valid = 1000, test = 2000 }
    local fields, classes = {}, { kind = "class", classes = 10 }
    for name, d in pairs(digits) do
      fields[name] = pair(d, self[name] or pairs_of[name] or #d[1].tensor, self.seed, name)
    end
    return set.new { kind = "idx", input_shapes = { { 1, SIDE, SIDE } }, targets = { left = classes, right = classes },
      target_names = { "left", "right" }, fields = fields, batch = self.batch, seed = self.seed,
      state = { scale = 1 / 255 / STD, shift = -MEAN / STD } }
  end,
}
