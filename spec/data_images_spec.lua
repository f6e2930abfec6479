local core = require "mtl.core"
local mtl = require "mtl"
local support = dofile "spec/support/data.lua"

local images, transform = mtl.data.images, mtl.transform
local folder = support.folder()
local at = folder.at

local function refused(options, ...)
  options.dir = options.dir or "photos"
  support.refused(images(options), at, ...)
end

teardown(function() support.remove(folder.path) end)
before_each(folder.clear)

describe("data.images by subfolders", function()
  local function photos(n)
    for i = 1, n or 5 do
      folder.png(("photos/dog/%d.png"):format(i), 3, 4, 6, 200 + i)
      folder.png(("photos/cat/%d.png"):format(i), 3, 4, 6, 100 + i)
    end
  end

  it("takes every folder for a class, sorted by name", function()
    photos()
    for _, memory in ipairs { true, false } do
      local set = images { dir = "photos", split = { 0.6, 0.2, 0.2 }, memory = memory }:open(at)
      assert.equal("images", set.kind)
      assert.same({ train = 6, valid = 2, test = 2 }, set.rows)
      assert.same({ { 3, 4, 6 } }, set.input_shapes)
      assert.same({ "label" }, set.target_names)
      assert.same({ kind = "class", classes = 2, levels = { "cat", "dog" } }, set.targets.label)
      local rows = support.rows(set, "train")
      for i, label in ipairs(rows[2]:totable()) do
        local pixel = rows[1][i]:max():item() * 255
        assert.equal(label, pixel > 150 and 1 or 0)
        assert.equal(pixel, rows[1][i]:min():item() * 255)
      end
      assert.same(rows[2]:totable(), set:target_tensor("train", 2):totable())
    end
  end)

  it("normalises by mean and std, of all channels or each", function()
    photos()
    local set = images { dir = "photos", split = { 1 }, mean = { 0.1, 0.2, 0.3 }, std = 0.5 }:open(at)
    local pixel = set:fields "train"[1].tensor:slice(1, 1, 1):cast("float32"):max():item() / 255
    local x = support.rows(set, "train")[1][1]:totable()
    for c, mean in ipairs { 0.1, 0.2, 0.3 } do
      assert.near((pixel - mean) / 0.5, x[c][2][3], 1e-5)
    end
    refused({ mean = { 0.1, 0.2 } }, "mean", "2 numbers", "3 channels")
  end)

  it("takes splits from folders", function()
    for split, n in pairs { train = 3, val = 2 } do
      for i = 1, n do
        folder.png(("photos/%s/a/%d.png"):format(split, i), 1, 2, 2, 1)
        folder.png(("photos/%s/b/%d.png"):format(split, i), 1, 2, 2, 2)
      end
    end
    local set = images { dir = "photos", split = { train = "train", valid = "val" } }:open(at)
    assert.same({ train = 6, valid = 4 }, set.rows)
    assert.same({ { 1, 2, 2 } }, set.input_shapes)
    assert.same({ 0, 0, 0, 1, 1, 1 }, set:target_tensor("train", 2):totable())
    refused({}, "has a folder 'train'", "split =")
    refused({ split = { train = "train", test = "tst" } }, "split.test", "tst")
    folder.png("photos/val/c/1.png", 1, 2, 2, 3)
    refused({ split = { train = "train", valid = "val" } }, "'c'", "no image in the split 'train'")
  end)

  it("keeps the classes and the mode for another run", function()
    photos()
    local state = core.json_decode(core.json_encode(images { dir = "photos", target = "animal" }:open(at).state))
    assert.same({ "cat", "dog" }, state.levels)
    assert.equal("rgb", state.mode)
    folder.png("photos/emu/1.png", 3, 4, 6, 1)
    local again = { path = at.path, folder = at.folder, state = state }
    support.refused(images { dir = "photos", target = "animal" }, again, "photos/emu/1.png", "'emu'", "cat, dog")
  end)

  it("says what is wrong with the folder", function()
    refused({}, "data.images: dir", "photos", "No such file")
    core.mkdir(folder.path .. "/photos/cat")
    refused({}, "photos", "no PNG")
    folder.write("photos/cat/a.jpg", "x")
    refused({}, "photos/cat/a.jpg", "PNG", "convert")
    os.remove(folder.path .. "/photos/cat/a.jpg")
    folder.png("photos/cat/a.png", 1, 2, 2, 1)
    refused({}, "one subfolder", "'cat'")
    core.mkdir(folder.path .. "/photos/dog")
    refused({}, "photos/dog", "no PNG")
    folder.png("photos/a.png", 1, 2, 2, 1)
    refused({}, "photos/a.png", "subfolder", "labels.csv")
  end)

  it("checks every file before the training", function()
    photos(2)
    folder.write("photos/dog/bad.png", "no png")
    refused({}, "photos/dog/bad.png")
    folder.png("photos/dog/bad.png", 3, 5, 6, 1)
    refused({}, "photos/dog/bad.png", "5 x 6", "4 x 6", "resize(4, 6)")
    refused({ memory = true, transforms = { transform.resize(4, 6) } }, "memory", "sizes")
    local set = images { dir = "photos", transforms = { transform.resize(8, 8) }, split = { 1 } }:open(at)
    assert.same({ { 3, 8, 8 } }, set.input_shapes)
    assert.is_nil(set:fields "train"[1].tensor)
    assert.same({ 5, 3, 8, 8 }, support.rows(set, "train")[1]:shape())
  end)
end)

describe("data.images with labels.csv", function()
  local function photos(text)
    for i = 1, 4 do
      folder.png(("photos/%d.png"):format(i), 1, 3, 3, 10 * i)
    end
    folder.write("labels.csv", text
      or "file,breed,age,fold\n1.png,b,1.5,train\n2.png,a,,train\n3,,3,train\n4.png,a,4,test\n")
  end

  it("has a target for each column, in the rows of the table", function()
    photos()
    local set = images { dir = "photos", labels = "labels.csv", split = { column = "fold" } }:open(at)
    assert.same({ train = 3, test = 1 }, set.rows)
    assert.same({ "age", "breed" }, set.target_names)
    assert.same({ "a", "b" }, set.targets.breed.levels)
    local rows = support.rows(set, "train")
    assert.same({ 1, 0, -1 }, rows[3]:totable())
    assert.near(1.5, rows[2][1]:item(), 1e-6)
    assert.is_true(rows[2][2]:item() ~= rows[2][2]:item())
    assert.near(30 / 255, rows[1][3]:max():item(), 1e-6)
  end)

  it("takes targets as data.csv does, and reads new rows by what was kept", function()
    photos()
    local options = { dir = "photos", labels = "labels.csv", split = { column = "fold" },
      targets = { kind = { column = "breed", levels = { "b", "a" } }, age = { column = "age", normalize = true } } }
    local set = images(options):open(at)
    assert.same({ 0, 1, -1 }, set:target_tensor("train", 3):totable())
    assert.near(0.75, set.targets.age.own.scale, 1e-6)
    folder.write("labels.csv", "file,breed,age,fold\n1.png,a,3,train\n2.png,a,,train\n3,,3,train\n4.png,a,4,test\n")
    local again = images(options):open { path = at.path, folder = at.folder, state = set.state }
    assert.same({ 1, 1, -1 }, again:target_tensor("train", 3):totable())
    assert.near(2.25, again.targets.age.own.shift, 1e-6)
  end)

  it("draws rows by a column or by classes", function()
    photos "file,breed,w\n1.png,b,1\n2.png,a,0\n3.png,a,0\n4.png,a,1\n"
    local options = { dir = "photos", labels = "labels.csv", split = { 1 }, sample = { column = "w" }, batch = 4 }
    local set = images(options):open(at)
    assert.same({ "breed" }, set.target_names)
    local order = set:target_tensor("train", 2):totable()
    for i, w in ipairs(set.weights:totable()) do
      assert.is_true(order[i] == 0 or w == 1)
    end
    options.sample = { balance = "breed" }
    options.targets = { breed = "breed" }
    local weights = images(options):open(at).weights:totable()
    for i, label in ipairs(order) do
      assert.near(label == 1 and 2 or 2 / 3, weights[i], 1e-6)
    end
  end)

  it("says which file or row does not fit", function()
    photos()
    refused({ labels = "label.csv" }, "label.csv")
    refused({ labels = "labels.csv", file = "name" }, "name", "file")
    folder.write("other.csv", "filename,size\n1.png,2\n")
    refused({ labels = "other.csv" }, "no column 'file'", "file = \"filename\"")
    refused({ labels = "labels.csv", targets = { x = "breeed" } }, "breeed", "breed")
    folder.png("photos/5.png", 1, 3, 3, 10)
    refused({ labels = "labels.csv" }, "photos/5.png", "no row in labels.csv")
    os.remove(folder.path .. "/photos/5.png")
    os.remove(folder.path .. "/photos/4.png")
    refused({ labels = "labels.csv" }, "labels.csv:5", "'4.png'", "photos")
    photos "file,breed\n1.png,b\n1.png,a\n"
    refused({ labels = "labels.csv" }, "labels.csv:3", "line 2", "'1.png'")
    photos "file,breed\n1.png,\n2.png,\n3.png,\n4.png,a\n"
    refused({ labels = "labels.csv", split = { train = "x" } }, "split.train")
    photos "file,breed\n1.png,x\n,a\n"
    refused({ labels = "labels.csv" }, "labels.csv:3", "no file")
    photos 'file,note\n\n1.png,"a\nb"\n2.png,c\n\n2.png,d\n'
    refused({ labels = "labels.csv" }, "labels.csv:7", "line 5", "'2.png'")
    photos 'file,note\n\n1.png,"a\nb"\n9.png,c\n'
    refused({ labels = "labels.csv" }, "labels.csv:5", "'9.png'")
    assert.error_matches(function() images { dir = "photos", labels = "labels.csv", target = "x" } end, "target")
    assert.error_matches(function() images { dir = "photos", mode = "grey" } end, "mode is 'grey'.*mean 'gray'?")
    assert.error_matches(function()
      images { dir = "photos", labels = "labels.csv", targets = { age = { column = "age", normalize = "no" } } }
    end, "data.images: targets: target 'age': normalize is 'no', which should be true or false")
    assert.error_matches(function() images { dir = "photos", targets = { age = "age" } } end, "labels.csv")
  end)
end)

describe("data.images with dense targets", function()
  local function scenes(n)
    for i = 1, n or 3 do
      folder.png(("rgb/%d.png"):format(i), 3, 4, 6, function(c, y, x) return 10 * i + c + y + x end)
      folder.png(("labels/%d.png"):format(i), 1, 4, 6, function(_, _, x) return x < 2 and 255 or (x + i) % 3 end)
      folder.png(("depth/%d.png"):format(i), 1, 4, 6, function(_, y, x) return y == 0 and 0 or 1000 * x + i end, 16)
      folder.png(("normals/%d.png"):format(i), 3, 4, 6, function(c) return c == 2 and 255 or 127 end)
    end
  end
  local function options(more)
    local o = { dir = "rgb", split = { 1 }, targets = {
      seg = { dir = "labels", kind = "labels", classes = 3, ignore = 255 },
      depth = { dir = "depth", kind = "depth", scale = 0.001 },
      normals = { dir = "normals", kind = "normals" } } }
    for key, value in pairs(more or {}) do
      o[key] = value
    end
    return o
  end

  it("reads labels, depth and normals beside each image, from memory and from the disk", function()
    scenes()
    for _, memory in ipairs { true, false } do
      local set = images(options { memory = memory }):open(at)
      assert.same({ "depth", "normals", "seg" }, set.target_names)
      assert.same({ kind = "class", classes = 3, shape = { 4, 6 }, dense = "labels" }, set.targets.seg)
      assert.same({ kind = "number", shape = { 1, 4, 6 }, dense = "depth" }, set.targets.depth)
      assert.same({ kind = "number", shape = { 3, 4, 6 }, dense = "normals" }, set.targets.normals)
      local rows = support.rows(set, "train")
      local i = math.floor(rows[1][1]:min():item() * 255 + 0.5) // 10
      local depth, seg, normals = rows[2][1]:totable(), rows[4][1]:totable(), rows[3][1]:totable()
      assert.is_true(depth[1][1][3] ~= depth[1][1][3]) -- 0 is not measured
      assert.near((3000 + i) * 0.001, depth[1][2][4], 1e-5)
      assert.same({ -1, -1, (2 + i) % 3, (3 + i) % 3 }, { table.unpack(seg[1], 1, 4) })
      assert.near(1, normals[3][1][1], 1e-6)
      assert.near(127 * 2 / 255 - 1, normals[1][4][6], 1e-6)
      assert.same(seg, set:target_tensor("train", 4)[1]:totable())
    end
  end)

  it("goes with classes by folder, and with transforms", function()
    for i, class in ipairs { "day", "night" } do
      folder.png("rgb/" .. class .. "/1.png", 3, 8, 8, 10 * i)
      folder.png("labels/" .. class .. "/1.png", 1, 8, 8, 1)
    end
    local set = images { dir = "rgb", target = "light", split = { 1 }, transforms = { transform.random_crop(4, 6) },
      targets = { seg = { dir = "labels", kind = "labels", levels = { "road", "sky" } } } }:open(at)
    assert.same({ "light", "seg" }, set.target_names)
    assert.same({ { 3, 4, 6 } }, set.input_shapes)
    assert.same({ 4, 6 }, set.targets.seg.shape)
    assert.same({ "road", "sky" }, set.targets.seg.levels)
    assert.same({ 2, 4, 6 }, support.rows(set, "train", true)[3]:shape())
  end)

  it("is missing where there is no file, if the target says so", function()
    for _, memory in ipairs { true, false } do
      scenes(4)
      for _, kind in ipairs { "labels", "depth", "normals" } do
        os.remove(("%s/%s/2.png"):format(folder.path, kind))
        os.remove(("%s/%s/3.png"):format(folder.path, kind))
      end
      local o = options { memory = memory, transforms = { transform.resize(4, 6) } }
      refused(o, "2.png", "partial = true")
      for _, target in pairs(o.targets) do
        target.partial = true
      end
      o.targets.seg.ignore, o.targets.seg.values = nil, { 0, 1, 2, 255 }
      o.targets.seg.classes = nil
      o.targets.plain = { dir = "depth", kind = "depth", missing = false, partial = true }
      local set = images(o):open(at)
      assert.same({ "depth", "normals", "plain", "seg" }, set.target_names)
      assert.equal(4, set.targets.seg.classes)
      local rows, blank = support.rows(set, "train"), 0
      for i = 1, 4 do
        local number = math.floor(rows[1][i]:min():item() * 255 + 0.5) // 10
        local gone = number == 2 or number == 3
        blank = blank + (gone and 1 or 0)
        local seg, all = rows[5][i]:cast "float32", 4 * 6
        assert.equal(gone and -1 or 3, seg:max():item())
        assert.equal(gone and -1 or 0, seg:min():item())
        assert.equal(gone and all or 6, rows[2][i]:isnan():sum():item()) -- a row of 0 is not measured
        assert.equal(gone and all or 0, rows[4][i]:isnan():sum():item())
        assert.equal(gone and 3 * all or 0, rows[3][i]:isnan():sum():item())
        assert.same(rows[5][i]:totable(), set:target_tensor("train", 5)[i]:totable())
      end
      assert.equal(2, blank)
    end
    scenes(4)
    os.rename(folder.path .. "/labels", folder.path .. "/away")
    folder.png("labels/sub/1.png", 1, 4, 6, 1)
    refused({ dir = "rgb", targets = { seg = { dir = "labels", kind = "labels", classes = 3, partial = true } } },
      "labels", "'seg'", "name of an image")
  end)

  it("has classes of the values that its files hold", function()
    for _, memory in ipairs { true, false } do
      for i = 1, 3 do
        folder.png(("rgb/%d.png"):format(i), 1, 3, 3, 10 * i)
        folder.png(("mask/%d.png"):format(i), 1, 3, 3, function(_, y) return y == 0 and 255 or 0 end)
      end
      local o = { dir = "rgb", split = { 1 }, memory = memory, targets = { mask = { dir = "mask", kind = "labels",
        classes = 2 } } }
      refused(o, "mask", "looks like a mask of 0 and 255", "values = { 0, 255 }")
      o.targets.mask = { dir = "mask", kind = "labels", values = { 0, 255 } }
      local set = images(o):open(at)
      assert.equal(2, set.targets.mask.classes)
      assert.same({ { 1, 1, 1 }, { 0, 0, 0 }, { 0, 0, 0 } }, support.rows(set, "train")[2][1]:totable())
      for _, row in ipairs(support.rows(mtl.data.join { images(o), images(o) }:open(at), "train")[2]:totable()) do
        assert.same({ { 1, 1, 1 }, { 0, 0, 0 }, { 0, 0, 0 } }, row)
      end
      o.targets.mask.levels = { "ground", "thing" }
      assert.same({ "ground", "thing" }, images(o):open(at).targets.mask.levels)
      o.targets.mask = { dir = "mask", kind = "labels", values = { 0, 1 } }
      refused(o, "mask", "value 255", "not among its values { 0, 1 }")
    end
    for _, case in ipairs { { { 0, 0 }, "lists the value" }, { { 0, 256 }, "lists the value" },
      { 3, "lists the value" }, { { 0 }, "lists 1, but there are 2" } } do
      assert.error_matches(function()
        images { dir = "rgb", targets = { m = { dir = "m", kind = "labels", classes = 2, values = case[1] } } }
      end, case[2])
    end
  end)

  it("says which file is missing, too many, or of another size", function()
    scenes()
    folder.png("depth/9.png", 1, 4, 6, 1)
    refused(options(), "depth/9.png", "no image 9.png in rgb")
    os.remove(folder.path .. "/depth/9.png")
    os.remove(folder.path .. "/depth/2.png")
    refused(options(), "2.png", "'depth'", "depth/2.png")
    folder.png("depth/2.png", 1, 4, 5, 1)
    refused(options(), "depth/2.png", "4 x 5", "2.png", "4 x 6")
    local o = options()
    o.targets.depth.dir = "nowhere"
    refused(o, "targets.depth", "nowhere")
    for _, memory in ipairs { true, false } do
      o = options { memory = memory }
      o.targets = { seg = { dir = "labels", kind = "labels", classes = 3 } }
      refused(o, "labels", "'seg'", "value 255", "0 to 2", "ignore = 255")
    end
    for _, case in ipairs {
      { { kind = "labels", dir = "x" }, "classes" }, { { kind = "label", dir = "x" }, "kind is 'label'" },
      { { kind = "depth" }, "dir" }, { { kind = "depth", dir = "x", ignore = 1 }, "ignore goes with" },
      { { kind = "depth", dir = "x", clases = 1 }, "did you mean 'classes'" },
    } do
      assert.error_matches(function() images { dir = "rgb", targets = { t = case[1] } } end, case[2])
    end
  end)
end)
