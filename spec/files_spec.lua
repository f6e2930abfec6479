local core = require "mtl.core"

local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

describe("files and the system", function()
  local root = (os.getenv "TMPDIR" or "/tmp") .. "/mtl-files-spec-" .. core.getpid()

  setup(function()
    core.mkdir(root)
  end)

  teardown(function()
    for _, name in ipairs(core.listdir(root)) do
      core.remove(root .. "/" .. name)
    end
    core.remove(root)
  end)

  it("safetensors hold tensors and texts", function()
    local path = root .. "/x.safetensors"
    core.safetensors_write(path, { { "w", core.tensor { 1, 2.5 } }, { "n", core.tensor({ { 7 } }, "int32") } },
      { { "model", "{}" } })
    local file = core.safetensors_read(path)
    local names = file:names()
    table.sort(names)
    assert.same({ "n", "w" }, names)
    assert.same({ 1, 2.5 }, file:tensor("w"):totable())
    assert.same({ { 7 } }, file:tensor("n"):totable())
    assert.equal("{}", file:meta "model")
    assert.is_nil(file:meta "other")
    assert.matches("no tensor 'v'", message(file.tensor, file, "v"))
    assert.matches("pairs { name, tensor }", message(core.safetensors_write, path, { core.zeros(1) }))
    assert.matches("tensor 1 is nil", message(core.safetensors_write, path, { { "w" } }))
    assert.same({ 1, 2.5 }, core.safetensors_read(path):tensor("w"):totable())
  end)

  it("PNG and CSV go through", function()
    core.png_write(root .. "/i.png", core.tensor({ { { 0, 128 }, { 255, 1 } } }, "uint8"))
    assert.same({ { { 0, 128 }, { 255, 1 } } }, core.png_read(root .. "/i.png"):totable())
    core.file_write(root .. "/t.csv", "a;b\n1;x\n?;y\n2;x\n")
    local csv = core.csv_read(root .. "/t.csv", { separator = ";", missing = "?" })
    assert.equal(3, csv:rows())
    assert.same({ "a", "b" }, csv:names())
    assert.is_true(csv:numeric "a")
    assert.is_false(csv:numeric "b")
    local numbers = csv:numbers("a"):totable()
    assert.equal(1, numbers[1])
    assert.is_true(numbers[2] ~= numbers[2])
    local codes, levels = csv:codes "b"
    assert.same({ 0, 1, 0 }, codes:totable())
    assert.same({ "x", "y" }, levels)
    assert.matches("no column 'c'; there are 'a', 'b'", message(csv.numbers, csv, "c"))
    assert.matches("none.csv", message(core.csv_read, root .. "/none.csv"))
  end)

  it("folders are made, listed and removed", function()
    assert.is_true(core.mkdir(root .. "/f/g"))
    assert.is_false(core.mkdir(root .. "/f/g"))
    core.file_write(root .. "/f/b", "text")
    assert.same({ "b", "g" }, core.listdir(root .. "/f"))
    assert.equal("file", core.stat(root .. "/f/b").type)
    assert.equal(4, core.stat(root .. "/f/b").size)
    assert.equal("folder", core.stat(root .. "/f").type)
    assert.is_nil((core.stat(root .. "/f/c")))
    core.truncate(root .. "/f/b", 2)
    core.fsync(root .. "/f/b")
    assert.equal(2, core.stat(root .. "/f/b").size)
    core.rename(root .. "/f/b", root .. "/f/c")
    assert.is_false(core.remove(root .. "/f/b"))
    assert.is_true(core.remove(root .. "/f/c"))
    assert.is_true(core.remove(root .. "/f/g"))
    assert.is_true(core.remove(root .. "/f"))
    assert.matches("mkdir: /dev/null", message(core.mkdir, "/dev/null/x"))
    assert.matches("listdir: .*No such file", message(core.listdir, root .. "/f"))
  end)

  it("the machine says what it is", function()
    local before = core.clock()
    assert.is_true(core.clock() >= before)
    assert.is_true(core.cores() >= 1)
    assert.is_string(core.uname())
    assert.is_string(core.isa())
    assert.matches("OpenBLAS", core.blas())
    local threads = core.threads()
    assert.equal(1, core.threads(1))
    core.threads(threads)
    assert.matches("threads", message(core.threads, 0))
  end)
end)

describe("loader", function()
  it("gives batches in order, scaled, and again from any of them", function()
    local x, y = core.arange(10, "uint8"), core.arange(10, "int32")
    local loader = core.loader({ { tensor = x, scale = 0.5, shift = 1 }, { tensor = y } }, 4)
    assert.equal(10, loader:rows())
    assert.equal(3, loader:batches())
    loader:start(false, 1, 0, 2)
    local batch, rows = loader:next()
    assert.equal(2, rows)
    assert.same({ 5, 5.5 }, batch[1]:totable())
    assert.same({ 8, 9 }, batch[2]:totable())
    assert.is_nil((loader:next()))
    loader:start(true, 1, 0)
    local seen = {}
    for b in loader.next, loader do
      for _, v in ipairs(b[2]:totable()) do
        seen[#seen + 1] = v
      end
    end
    table.sort(seen)
    assert.same(y:totable(), seen)
    assert.matches("tensor of field 1 is nil", message(core.loader, { {} }, 1))
  end)
end)
