--- What metrics.jsonl gets, as scalars for TensorBoard: an event file is a row of TFRecords (length, its checksum,
-- bytes, their checksum), each a protobuf message tensorflow.Event. Tags: loss, lr, samples_per_s; TASK/loss, TASK/kpi,
-- TASK/kpi_ema, TASK/weight; TASK/valid/kpi, TASK/test/METRIC and so on.
local core = require "mtl.core"
local failure = require "mtl.failure"
local path = require "mtl.path"
local sorted = require "mtl.sorted"

local tensorboard = {}
tensorboard.__index = tensorboard

-- ---- CRC-32C (Castagnoli), masked as TFRecord asks ----

local crc_of = {}
for byte = 0, 255 do
  local crc = byte
  for _ = 1, 8 do
    crc = crc >> 1 ~ (crc & 1) * 0x82F63B78
  end
  crc_of[byte] = crc
end

--- CRC-32C of bytes.
function tensorboard.crc32c(bytes)
  local crc = 0xFFFFFFFF
  for i = 1, #bytes do
    crc = crc >> 8 ~ crc_of[(crc ~ bytes:byte(i)) & 0xFF]
  end
  return crc ~ 0xFFFFFFFF
end

local function masked(bytes)
  local crc = tensorboard.crc32c(bytes)
  return string.pack("<I4", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
end

local function record(bytes)
  local length = string.pack("<I8", #bytes)
  return length .. masked(length) .. bytes .. masked(bytes)
end

-- ---- protobuf: fields of messages ----

local function varint(n)
  local out = {}
  while n > 127 do
    out[#out + 1] = string.char(n & 127 | 128)
    n = n >> 7
  end
  return table.concat(out) .. string.char(n)
end

local function bytes_field(number, bytes)
  return varint(number << 3 | 2) .. varint(#bytes) .. bytes
end

-- tensorflow.Event: 1 wall_time, 2 step, 3 file_version, 5 summary, 7 log_message or session_log.
local function event(self, step, rest)
  local now = self.opened + core.clock() - self.clock
  return record(string.pack("<I1d", 1 << 3 | 1, now) .. varint(2 << 3) .. varint(step) .. rest)
end

-- Summary.Value: 1 tag, 2 simple_value.
local function scalar(list, tag, x)
  if type(x) ~= "number" then
    x = x == core.null and 0 / 0 or nil
  end
  if x then
    list[#list + 1] = bytes_field(1, bytes_field(1, tag) .. string.pack("<I1f", 2 << 3 | 5, x))
  end
end

-- ---- the file ----

local function write(self, bytes)
  local done, message = self.file:write(bytes)
  if not done then
    failure.raise(2, "%s: %s", self.path, message)
  end
end

--- Opens a new event file in DIR/NAME, where TensorBoard finds a run of that name.
-- @param step the last that stands already, in files of the same run: what they hold after it is forgotten
function tensorboard.open(dir, name, step)
  local folder = path.join(dir, name)
  core.mkdir(folder)
  -- TensorBoard reads the files of a folder in the order of their names
  local at = path.join(folder, ("events.out.tfevents.%010d.%04d.mtl"):format(os.time(), #core.listdir(folder)))
  local file, message = io.open(at, "wb")
  if not file then
    error(message, 0)
  end
  file:setvbuf "no" -- an event is written whole
  local self = setmetatable({ path = at, file = file, opened = os.time(), clock = core.clock() }, tensorboard)
  write(self, event(self, 0, bytes_field(3, "brain.Event:2")))
  write(self, event(self, step + 1, bytes_field(7, varint(1 << 3) .. varint(1)))) -- SessionLog { status: START }
  return self
end

-- Names in order, so that the same run gives the same tags in the same places.
local function names_of(t)
  return sorted(type(t) == "table" and t or {})
end

--- A line of metrics.jsonl; only those of kind step, valid and test have scalars.
function tensorboard:add(line)
  local list, kind = {}, line.kind
  if kind ~= "step" and kind ~= "valid" and kind ~= "test" then
    return
  end
  for _, key in ipairs { "loss", "lr", "samples_per_s" } do
    scalar(list, key, line[key])
  end
  for _, name in ipairs(names_of(line.tasks)) do
    local task, prefix = line.tasks[name], name .. "/" .. (kind ~= "step" and kind .. "/" or "")
    for _, key in ipairs { "loss", "kpi", "kpi_ema", "weight" } do
      scalar(list, prefix .. key, task[key])
    end
    for _, key in ipairs(names_of(task.metrics)) do
      scalar(list, prefix .. key, task.metrics[key])
    end
  end
  write(self, event(self, line.step, bytes_field(5, table.concat(list))))
end

function tensorboard:close()
  self.file:close()
end

return tensorboard
