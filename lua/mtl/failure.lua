--- Errors of a training that failed for reasons outside of the recipe: diverged, no memory, disk full, device lost.
-- They are tables { status =, message = } that print as their message; every other error is a text and means status 1.
local core = require "mtl.core"

local failure = {}
local mtl_error = { __name = "mtl.failure" }
mtl_error.__index = mtl_error

function mtl_error:__tostring()
  return self.message
end

--- Raises a failure. status: the program's exit status (2: training failed).
function failure.raise(status, format, ...)
  error(setmetatable({ status = status, message = format:format(...) }, mtl_error), 0)
end

function failure.is(e)
  return getmetatable(e) == mtl_error
end

local of_core = { memory = true, device = true, io = true }

local function mib(bytes)
  return ("%.0f MiB"):format(bytes / (1 << 20))
end

-- Where memory ran out at the cap: how much there is, and how to change it.
local function explain(message, cap)
  local use = core.memory()
  local lua, limit = message == "not enough memory", cap or use.limit
  if limit == 0 or not lua and not message:find("and the limit reached", 1, true) then
    return message
  end
  return ("%s; tensors and Lua may take %s together: --memory SIZE allows more"):format(lua
    and ("out of memory: tensors take %s, Lua %s"):format(mib(use.bytes), mib(use.lua)) or message, mib(limit))
end

--- What to tell people about anything that pcall caught, and the exit status.
-- @param cap of memory, where it was lifted since
-- @return message, status
function failure.describe(e, cap)
  if failure.is(e) then
    return explain(e.message, cap), e.status
  end
  return explain(tostring(e), cap), 1
end

--- An error caught while training, as a failure where libmtl's last one was the machine's fault, else as it is.
function failure.of_training(e)
  local status, text = core.last_status()
  if type(e) == "string" and (e == "not enough memory" or of_core[status] and e:find(text, 1, true)) then
    return setmetatable({ status = 2, message = e }, mtl_error)
  end
  return e
end

return failure
