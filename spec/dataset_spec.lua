local core = require "mtl.core"
local dataset = require "mtl.dataset"

local function sums(t)
  return t:reshape(#t, -1):cast("float32"):sum(2):totable()
end

describe("the folder of the data sets", function()
  it("is found by a program that was replaced while it runs", function()
    local program = dofile "spec/support/program.lua"
    local folder = program.folder()
    program.write(folder .. "/s.lua", 'os.remove "build/mtl"; print(require "mtl.home".datasets())')
    program.write(folder .. "/run.sh", ([[
      unset MTL_HOME LUA_PATH LUA_CPATH; mkdir build datasets; cp "%s" build/mtl; build/mtl lua s.lua]]):format(
      os.getenv "MTL_PROGRAM"))
    local said = program.run(folder, { folder .. "/run.sh" }, nil, "/bin/sh")
    local expected = core.realpath(folder .. "/datasets") .. "\n"
    program.remove(folder)
    assert.same({ 0, "", expected }, { said.status, said.err, said.out })
  end)
end)

describe("dataset", function()
  it("offers the nearest name for one that it does not know", function()
    assert.error_matches(function() dataset "multimnits" end, "did you mean 'multimnist'")
    assert.error_matches(function() dataset("../recipes/toy") end, "no data set")
    assert.error_matches(function() dataset("multimnist", { bach = 3 }) end, "batch")
  end)
end)

describe("multimnist", function()
  local set = dataset("multimnist"):open {}

  it("has the stated sizes, and the same pairs for a seed", function()
    assert.same({ train = 10000, valid = 1000, test = 2000 }, set.rows)
    assert.same({ { 1, 28, 28 } }, set.input_shapes)
    assert.same({ "left", "right" }, set.target_names)
    local again = dataset("multimnist"):open {}
    local other = dataset("multimnist", { seed = 2, train = 100, valid = 10, test = 10 }):open {}
    assert.same({ train = 100, valid = 10, test = 10 }, other.rows)
    for i = 1, 3 do
      assert.equal(set:fields "valid"[i].tensor:bytes(), again:fields "valid"[i].tensor:bytes())
    end
    assert.not_equal(set:fields "test"[2].tensor:slice(1, 1, 10):bytes(), other:fields "test"[2].tensor:bytes())
  end)

  it("normalises by the mean and deviation of MNIST", function()
    local field = set:fields "train"[1]
    assert.near(-0.1307 / 0.3081, field.shift, 1e-9)
    assert.near((1 - 0.1307) / 0.3081, 255 * field.scale + field.shift, 1e-9)
  end)

  it("overlays digits of one split as defined", function()
    -- a pair made by hand from the sheets: every picture of the split must be such a pair
    local folder = require "mtl.home".datasets() .. "/multimnist/"
    local order = core.permutation(5000, 1, "multimnist/digits", 0):totable()
    local labels = core.csv_read(folder .. "labels.csv"):numbers("label"):totable()
    local sheets = {}
    local function pixel(index, y, x)
      local sheet = index // 500
      sheets[sheet] = sheets[sheet] or core.png_read(folder .. "digits-" .. sheet .. ".png"):bytes()
      local row, column = index % 500 // 25 * 28 + y, index % 25 * 28 + x
      return sheets[sheet]:byte(row * 700 + column + 1)
    end
    local left = core.permutation(500, 1, "multimnist/valid/left", 0):totable()
    local right = core.permutation(500, 1, "multimnist/valid/right", 0):totable()
    local fields = set:fields "valid"
    for k = 1, 3 do
      local a, b = order[4000 + left[k] + 1], order[4000 + right[k] + 1]
      assert.equal(labels[a + 1], fields[2].tensor[k]:item())
      assert.equal(labels[b + 1], fields[3].tensor[k]:item())
      local bytes, picture = fields[1].tensor[k]:bytes(), {}
      for y = 0, 27 do
        for x = 0, 27 do
          local cy, cx = math.floor((y + 0.5) * 36 / 28), math.floor((x + 0.5) * 36 / 28)
          local l = cy < 28 and cx < 28 and pixel(a, cy, cx) or 0
          local r = cy >= 6 and cy < 34 and cx >= 6 and cx < 34 and pixel(b, cy - 6, cx - 6) or 0
          picture[#picture + 1] = string.char(math.max(l, r))
        end
      end
      assert.equal(table.concat(picture), bytes)
    end
  end)

  it("uses every digit equally often", function()
    local counts = core.one_hot(set:fields "train"[2].tensor, 10):sum(1):totable()
    local rights = core.one_hot(set:fields "train"[3].tensor, 10):sum(1):totable()
    for class = 1, 10 do
      assert.is_true(counts[class] > 700 and counts[class] < 1300)
      assert.is_true(rights[class] > 700 and rights[class] < 1300)
    end
    assert.equal(10000, #sums(set:fields "train"[1].tensor))
  end)

  it("takes the full MNIST from --data, and says what is missing", function()
    local dir = os.tmpname()
    os.remove(dir)
    core.mkdir(dir)
    local at = { data_dir = dir, path = function(p) return p end }
    assert.error_matches(function() dataset("multimnist"):open(at) end, "train%-images%-idx3%-ubyte")
    local function write(name, text)
      local file = assert(io.open(dir .. "/" .. name, "wb"))
      file:write(text)
      file:close()
    end
    local n = 40
    for _, stem in ipairs { "train", "t10k" } do
      write(stem .. "-images-idx3-ubyte", string.pack(">I4I4I4I4", 0x803, n, 28, 28) .. ("\7"):rep(n * 784))
      write(stem .. "-labels-idx1-ubyte", string.pack(">I4I4", 0x801, n) .. ("\3"):rep(n))
    end
    local full = dataset("multimnist"):open(at)
    assert.same({ train = 36, valid = 4, test = 40 }, full.rows)
    assert.equal(7, full:fields "test"[1].tensor:cast("float32"):max():item())
    write("t10k-labels-idx1-ubyte", string.pack(">I4I4", 0x801, n) .. ("\12"):rep(n))
    assert.error_matches(function() dataset("multimnist"):open(at) end, "class 12")
    for _, name in ipairs(core.listdir(dir)) do
      core.remove(dir .. "/" .. name)
    end
    core.remove(dir)
  end)
end)

describe("diamonds", function()
  it("has three tasks and a price that can be read back", function()
    local set = dataset("diamonds"):open {}
    assert.same({ train = 43152, valid = 5394, test = 5394 }, set.rows)
    assert.same({ { 13 } }, set.input_shapes)
    assert.same({ "clarity", "cut", "price" }, set.target_names)
    assert.same({ 8, 5 }, { set.targets.clarity.classes, set.targets.cut.classes })
    assert.equal("Fair", set.targets.cut.levels[1])
    local own, price = set.targets.price.own, set:fields "train"[4].tensor
    local dollars = (price * own.scale + own.shift):exp()
    assert.near(326, dollars:min():item(), 2)
    assert.near(18823, dollars:max():item(), 10)
    assert.near(0, price:mean():item(), 1e-4)
    assert.near(0, set:fields "train"[1].tensor:select(2, 1):mean():item(), 1e-4)
  end)
end)
