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

--- What to tell people about anything that pcall caught, and the exit status.
-- @return message, status
function failure.describe(e)
  if failure.is(e) then
    return e.message, e.status
  end
  local message = tostring(e)
  local out_of_memory = message == "not enough memory"
  return message, out_of_memory and 2 or 1
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
