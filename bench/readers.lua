-- How fast files become tensors, and what a large table takes: build/mtl lua bench/readers.lua [ROWS [IMAGES]]
-- Made-up files in TMPDIR, removed afterwards. It prints the peak of the process beside the float32 size of the table.
local core = require "mtl.core"
local rows, images = tonumber(arg[1]) or 10000000, tonumber(arg[2]) or 20000
local root = (os.getenv "TMPDIR" or "/tmp") .. "/mtl-readers-" .. core.getpid()
local MIB = 2 ^ 20

-- Highest memory of this process so far, in MiB; nil where the system does not say.
local function peak()
  local file = io.open "/proc/self/status"
  local kib = file and file:read("a"):match "VmHWM:%s*(%d+)"
  return kib and kib / 1024 or 0 / 0
end

local function timed(f, ...)
  local from = core.clock()
  local result = f(...)
  return core.clock() - from, result
end

local function csv()
  local path, lines = root .. "/table.csv", {}
  local file = assert(io.open(path, "wb"))
  file:write "a,b,c,d\n"
  for i = 1, rows do
    lines[#lines + 1] = ("%d,%.3f,%.6g,%d"):format(i % 1000, i * 0.001, 1 / i, i % 7)
    if #lines == 10000 or i == rows then
      file:write(table.concat(lines, "\n"), "\n")
      lines = {}
    end
  end
  file:close()
  collectgarbage()
  local before, size = peak(), core.stat(path).size / MIB
  local columns = {}
  local seconds, table_ = timed(core.csv_read, path)
  for i, name in ipairs(table_:names()) do
    columns[i] = table_:numbers(name)
  end
  local floats, most = rows * #columns * 4 / MIB, peak() - before
  print(("CSV  %d rows of %d numbers, %.0f MiB of text, %.0f MiB of float32"):format(rows, #columns, size, floats))
  print(("     %.1f s, %.2f million rows/s; peak %.0f MiB, %.2f times the float32 size"):format(seconds,
    rows / seconds / 1e6, most, most / floats))
  print(("     codes of the last column: %.1f s; peak %.0f MiB"):format(
    timed(table_.codes, table_, "d"), peak() - before))
  os.remove(path)
end

-- A digit-like blob on black, as in a data set of small pictures.
local function picture(i, height, width)
  local t = core.zeros({ 1, height, width }, "uint8"):totable()
  for y = height // 4 + 1, 3 * height // 4 do
    for x = width // 3 + 1, 2 * width // 3 do
      t[1][y][x] = (i * 31 + y * x * 7) % 256
    end
  end
  return core.tensor(t, "uint8")
end

local function png(n, height, width)
  local paths = {}
  for i = 1, n do
    paths[i] = ("%s/%d.png"):format(root, i)
    core.png_write(paths[i], picture(i % 100, height, width))
  end
  local seconds
  for _ = 1, 2 do -- the first round brings the files into memory
    seconds = timed(function()
      for i = 1, n do
        core.png_read(paths[i], "gray")
      end
    end)
  end
  print(("PNG  %d gray images of %d x %d: %.0f images/s by core.png_read"):format(n, height, width, n / seconds))
  for threads = 1, 2 do
    local loader = core.loader({ { source = core.png_source(paths, { mode = "gray" }), role = "image" } }, 100,
      { threads = threads })
    seconds = timed(function()
      loader:start(true, 1, 0)
      while loader:next() do
      end
    end)
    print(("     %.0f images/s by the loader, threads = %d"):format(n / seconds, threads))
  end
  for _, path in ipairs(paths) do
    os.remove(path)
  end
end

core.mkdir(root)
local ok, message = pcall(function()
  csv()
  png(images, 28, 28)
end)
core.remove(root)
assert(ok, message)
