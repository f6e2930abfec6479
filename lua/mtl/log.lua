--- metrics.jsonl: one JSON object a line. The log knows how long it is, so a checkpoint can say where to cut it back.
local core = require "mtl.core"
local failure = require "mtl.failure"

local log = {}
log.__index = log

--- Opens the log and cuts it back to `bytes`: what stands after that was written by steps that will be made again.
-- @param also has add(record) and close(): gets every record, too (tensorboard.lua); nil: nobody
function log.open(path, bytes, also)
  local there = core.stat(path)
  local size = there and there.size or 0
  if size < bytes then
    error(("%s has %d bytes, but its checkpoint was made at %d: the file was changed"):format(path, size, bytes), 0)
  elseif size > bytes then
    core.truncate(path, bytes)
  end
  local file, message = io.open(path, "ab")
  if not file then
    error(message, 0)
  end
  file:setvbuf "line"
  return setmetatable({ path = path, file = file, bytes = bytes, also = also }, log)
end

function log:write(record)
  local line = core.json_encode(record) .. "\n"
  local done, message = self.file:write(line)
  if not done then
    failure.raise(2, "%s: %s", self.path, message)
  end
  self.bytes = self.bytes + #line
  if self.also then
    self.also:add(record)
  end
end

--- What was written is on the disk when this returns.
function log:sync()
  local done, message = self.file:flush()
  if not done then
    failure.raise(2, "%s: %s", self.path, message)
  end
  core.fsync(self.path)
end

function log:close()
  self.file:close()
  if self.also then
    self.also:close()
  end
end

return log
