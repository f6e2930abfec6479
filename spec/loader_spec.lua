local core = require "mtl.core"
local program = require "spec.support.program"

local function message(f, ...)
  local good, text = pcall(f, ...)
  assert.is_false(good)
  return text
end

-- All batches of an epoch of one field, as tables.
local function all(loader, field)
  local list = {}
  for batch in function() return loader:next() end do
    for _, row in ipairs(batch[field or 1]:totable()) do
      list[#list + 1] = row
    end
  end
  return list
end

describe("loader", function()
  local folder
  before_each(function()
    folder = program.folder()
  end)
  after_each(function()
    program.remove(folder)
  end)

  -- n gray images of 4 x 5; all pixels of image i are i
  local function images(n)
    local paths = {}
    for i = 1, n do
      paths[i] = ("%s/%02d.png"):format(folder, i)
      core.png_write(paths[i], (core.zeros(1, 4, 5) + i):cast "uint8")
    end
    return paths
  end

  it("reads rows from files", function()
    local paths = images(10)
    local source = core.png_source(paths, { mode = "rgb" })
    assert.equal("mtl.source", core.type(source))
    assert.equal(10, #source)
    assert.same({ 3, 4, 5 }, source:shape())
    assert.equal("uint8", source:dtype())
    assert.equal(paths[3], source:name(3))
    assert.matches("index 11", message(source.name, source, 11))
    local rows = core.tensor({ 9, 0 }, "int32")
    assert.same({ 10, 1 }, source:take(rows):select(2, 1):select(2, 1):select(2, 1):totable())

    local loader = core.loader({ { source = source, role = "image", scale = 1 },
      { tensor = core.arange(10, "int32") } }, 4)
    loader:start(true, 7, 0)
    local seen = 0
    for batch, n in function() return loader:next() end do
      for i = 1, n do
        assert.equal(batch[2][i]:item() + 1, batch[1][i]:max():item())
        seen = seen + 1
      end
    end
    assert.equal(10, seen)
  end)

  it("reads chosen rows and joined sources", function()
    local paths = images(4)
    local half, other = core.png_source { paths[1], paths[2] }, core.png_source { paths[4] }
    local both = core.join_sources { half, other, half }
    assert.equal(5, #both)
    assert.equal(paths[4], both:name(3))
    local loader = core.loader({ { source = both, scale = 1, rows = core.tensor({ 2, 4 }, "int32") } }, 2)
    loader:start(false)
    assert.same({ 4, 2 }, loader:next()[1]:select(2, 1):select(2, 1):select(2, 1):totable())
  end)

  it("transforms images and what stands beside them", function()
    local image = core.arange(12, "float32"):reshape(1, 1, 3, 4)
    local labels = core.arange(12, "int32"):reshape(1, 3, 4)
    local fields = { { tensor = image, role = "image" }, { tensor = labels, role = "labels" } }
    local loader = core.loader(fields, 1, { transforms = { { type = "random_crop", height = 1, width = 2 },
      { type = "random_flip", p = 1 }, { type = "normalize", mean = { 1 }, std = { 2 } } } })
    loader:start(false)
    local batch = loader:next()
    assert.same({ { { { 2, 2.5 } } } }, batch[1]:totable())
    assert.same({ { { 5, 6 } } }, batch[2]:totable())
    loader:start(true, 1, 0)
    batch = loader:next()
    local label = batch[2]:totable()[1][1]
    assert.equal(label[1] - 1, label[2]) -- flipped
    assert.same({ (label[1] - 1) / 2, (label[2] - 1) / 2 }, batch[1]:totable()[1][1][1])

    loader = core.loader({ fields[2] }, 1, { transforms = { { type = "resize", height = 6, width = 2 } } })
    loader:start(false)
    assert.same({ { { 1, 3 }, { 1, 3 }, { 5, 7 }, { 5, 7 }, { 9, 11 }, { 9, 11 } } }, loader:next()[1]:totable())
  end)

  it("gives the same for any number of threads", function()
    local source, first = core.png_source(images(23)), nil
    for threads = 1, 3 do
      local loader = core.loader({ { source = source, role = "image" } }, 5, { threads = threads, transforms = {
        { type = "random_scale", low = 0.5, high = 2 }, { type = "random_crop", height = 4, width = 4, padding = 1 },
        { type = "color_jitter", brightness = 0.5, contrast = 0.5 } } })
      loader:start(true, 3, 9)
      local rows = all(loader)
      first = first or rows
      assert.equal(23, #rows)
      assert.same(first, rows)
    end
  end)

  it("draws rows by weight", function()
    local loader = core.loader({ { tensor = core.arange(4, "int32") } }, 50, { weights = core.tensor { 0, 1, 0, 3 } })
    local n = { [0] = 0, 0, 0, 0 }
    for epoch = 1, 250 do
      loader:start(true, 1, epoch)
      for _, v in ipairs(all(loader)) do
        n[v] = n[v] + 1
      end
    end
    assert.equal(0, n[0] + n[2])
    assert.near(250, n[1], 50)
    assert.equal(1000, n[1] + n[3])
    loader:start(false)
    assert.same({ 0, 1, 2, 3 }, all(loader))
  end)

  it("names the file that it cannot read, and starts again", function()
    local paths = images(6)
    local loader = core.loader({ { source = core.png_source(paths) } }, 2)
    os.remove(paths[4])
    loader:start(false)
    assert.equal(2, select(2, loader:next()))
    assert.matches("04.png", message(loader.next, loader))
    loader:start(false, 0, 0, 2)
    assert.equal(2, select(2, loader:next()))
    assert.is_nil((loader:next()))
    assert.matches("none.png", message(core.png_source, { folder .. "/none.png" }))
  end)

  it("says what is wrong with its options", function()
    local t = core.zeros(2, 1, 3, 3)
    local function try(field, options)
      return message(core.loader, { field }, 1, options)
    end
    assert.matches("unknown option 'weight'", try({ tensor = t }, { weight = 1 }))
    assert.matches("unknown option 'scael'", try { tensor = t, scael = 1 })
    assert.matches("source of field 1 is string", try { source = "x" })
    assert.matches("rows of field 1 is table", try { tensor = t, rows = { 1 } })
    assert.matches("rows of field 1 are float32", try { tensor = t, rows = core.zeros(2) })
    assert.matches("role of field 1 is pixels", try { tensor = t, role = "pixels" })
    assert.matches("field 1 has rows of float32 %[1, 3, 3%], but labels", try { tensor = t, role = "labels" })
    assert.matches("weights is number", try({ tensor = t }, { weights = 1 }))
    assert.matches("threads", try({ tensor = t }, { threads = -1 }))
    assert.matches("transform 1 should be a table with a type", try({ tensor = t }, { transforms = { 1 } }))
    assert.matches("transform 1 has type 'warp'", try({ tensor = t }, { transforms = { { type = "warp" } } }))
    assert.matches("transform 1 %(resize%): unknown option 'p'",
      try({ tensor = t }, { transforms = { { type = "resize", p = 1 } } }))
    assert.matches("height is 0", try({ tensor = t }, { transforms = { { type = "resize" } } }))
    assert.matches("2 means and 1 stds",
      try({ tensor = t }, { transforms = { { type = "normalize", mean = { 1, 2 }, std = { 1 } } } }))
    assert.matches("mean is number",
      try({ tensor = t }, { transforms = { { type = "normalize", mean = 1, std = {} } } }))
    assert.matches("path 1 is number", message(core.png_source, { 1 }))
    assert.matches("no files", message(core.npy_files_source, {}))
    assert.matches("invalid option 'grey'", message(core.png_source, { "x" }, { mode = "grey" }))
    assert.matches("source 1 is number", message(core.join_sources, { 1 }))
  end)
end)
