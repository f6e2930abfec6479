local core = require "mtl.core"
local program = dofile "spec/support/program.lua"
local tensorboard = require "mtl.tensorboard"

-- The events of a file, by the letter of the formats: TFRecord, then protobuf. A field is { number, value }.
local function fields(bytes)
  local list, at = {}, 1
  local function varint()
    local n, shift = 0, 0
    repeat
      local byte = bytes:byte(at)
      n, shift, at = n | (byte & 127) << shift, shift + 7, at + 1
    until byte < 128
    return n
  end
  while at <= #bytes do
    local key = varint()
    local value
    if key & 7 == 0 then
      value = varint()
    elseif key & 7 == 1 then
      value, at = string.unpack("<d", bytes, at)
    elseif key & 7 == 5 then
      value, at = string.unpack("<f", bytes, at)
    else
      local n = varint()
      value, at = bytes:sub(at, at + n - 1), at + n
    end
    list[key >> 3] = list[key >> 3] or {}
    table.insert(list[key >> 3], value)
  end
  return list
end

local function mask(crc)
  return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
end

local function events(file)
  local bytes, list, at = program.read(file), {}, 1
  while at <= #bytes do
    local n, crc, data, crc_of_data
    n, crc, at = string.unpack("<I8I4", bytes, at)
    assert.equal(mask(tensorboard.crc32c(string.pack("<I8", n))), crc)
    data, at = bytes:sub(at, at + n - 1), at + n
    crc_of_data, at = string.unpack("<I4", bytes, at)
    assert.equal(mask(tensorboard.crc32c(data)), crc_of_data)
    list[#list + 1] = fields(data)
  end
  return list
end

local function scalars(event)
  local found = {}
  for _, value in ipairs(event[5] and fields(event[5][1])[1] or {}) do
    local f = fields(value)
    found[f[1][1]] = f[2][1]
  end
  return found
end

describe("TensorBoard's event files", function()
  local folder
  setup(function()
    folder = program.folder()
  end)
  teardown(function()
    program.remove(folder)
  end)

  it("have CRC-32C", function()
    assert.equal(0xE3069283, tensorboard.crc32c "123456789") -- RFC 3720, B.4 and the usual check value
    assert.equal(0x8A9136AA, tensorboard.crc32c(("\0"):rep(32)))
    assert.equal(0x62A8AB43, tensorboard.crc32c(("\255"):rep(32)))
  end)

  it("hold what metrics.jsonl gets", function()
    local t = tensorboard.open(folder, "by hand", 0)
    t:add { kind = "stage", step = 0, stage = "x", tasks = { "left" } }
    t:add { kind = "step", step = 300, epoch = 1, stage = "x", lr = 0.5, loss = 0 / 0, samples_per_s = 1e4,
      tasks = { left = { loss = 2, kpi = core.null, kpi_ema = 0.25, weight = 1 } } }
    t:add { kind = "valid", step = 300, tasks = { left = { loss = 3, kpi = 0.5, metrics = { rmse = 4 } } } }
    t:add { kind = "test", step = 301, tasks = { left = { loss = 5, kpi = 0.75, metrics = core.null } } }
    t:close()
    local list = events(t.path)
    assert.equal(5, #list)
    assert.equal("brain.Event:2", list[1][3][1])
    assert.equal(1, list[2][2][1])
    assert.equal(1, fields(list[2][7][1])[1][1]) -- START
    assert.equal(300, list[3][2][1])
    assert.near(os.time(), list[3][1][1], 60)
    local step = scalars(list[3])
    assert.is_true(step.loss ~= step.loss and step["left/kpi"] ~= step["left/kpi"])
    assert.equal(0.5, step.lr)
    assert.equal(0.25, step["left/kpi_ema"])
    assert.same({ ["left/valid/loss"] = 3, ["left/valid/kpi"] = 0.5, ["left/valid/rmse"] = 4 }, scalars(list[4]))
    assert.same({ ["left/test/loss"] = 5, ["left/test/kpi"] = 0.75 }, scalars(list[5]))
  end)

  it("are written by mtl run, and by --resume into one more file", function()
    program.write(folder .. "/spec.lua", program.recipe())
    for _, words in ipairs { { "run", "spec.lua", "--out", "run", "--max-steps", "9" },
      { "run", "--resume", "run" } } do
      table.move({ "--quiet", "--tensorboard", "tb" }, 1, 3, #words + 1, words)
      local result = program.run(folder, words)
      assert.equal("", result.err)
      assert.equal(0, result.status)
    end
    local names = core.listdir(folder .. "/tb/run")
    assert.equal(2, #names)
    local first, second = events(folder .. "/tb/run/" .. names[1]), events(folder .. "/tb/run/" .. names[2])
    assert.equal(10, second[2][2][1]) -- the START of what follows step 9
    local lines = 0
    for line in program.read(folder .. "/run/metrics.jsonl"):gmatch "[^\n]+" do
      local record = core.json_decode(line)
      local same = false
      for _, event in ipairs(record.step > 9 and second or first) do
        local found = scalars(event)
        same = same or event[2][1] == record.step and record.kind == "step"
          and math.abs((found["left/loss"] or 1e9) - record.tasks.left.loss) < 1e-6
      end
      assert.is_true(same or record.kind ~= "step", line)
      lines = lines + (same and 1 or 0)
    end
    assert.is_true(lines >= 5)
  end)

  it("that cannot be written stop a run before it begins", function()
    program.write(folder .. "/file", "")
    local result = program.run(folder, { "run", "spec.lua", "--out", "none", "--tensorboard", "file/below" })
    assert.equal(1, result.status)
    assert.equal("mtl: mkdir: file: Not a directory\n", result.err)
    assert.falsy(core.stat(folder .. "/none"))
  end)
end)
