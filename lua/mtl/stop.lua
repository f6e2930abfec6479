--- How a training ends after ^C or SIGTERM.
local core = require "mtl.core"
local failure = require "mtl.failure"

local stop = {}

--- Between two steps: everything is saved, then the program ends with the status that belongs to the signal.
function stop.check(t)
  local signal = core.interrupted()
  if signal then
    if t.saved_step ~= t.at.step then
      t:save()
    end
    failure.raise(128 + signal, "stopped at step %d; go on with: mtl run --resume %s", t.at.step, t.out)
  end
end

--- What to raise for an error of a training: where a recipe's own code had to be stopped for a signal, the step is not
-- whole, and what was saved before it stays.
function stop.within(t, e)
  local signal, stopped = core.interrupted()
  if not stopped or failure.is(e) then
    return e
  end
  local kept = t.saved_step and ("what was saved at step %d goes on with: mtl run --resume %s"):format(t.saved_step,
    t.out) or "nothing was saved yet"
  local where = type(e) == "string" and " (" .. e .. ")" or ""
  return select(2, pcall(failure.raise, 128 + signal, "stopped in step %d, within the recipe's own code%s; %s",
    t.at.step, where, kept))
end

return stop
