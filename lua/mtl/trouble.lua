--- Methods of a training for what goes wrong in it.
local failure = require "mtl.failure"

local trouble = {}

--- Ends a training that has left the finite numbers; what was saved before stays.
-- @param ctx of the step in which that was seen; nil: the last one
function trouble:diverged(what, ctx)
  local at = self.at
  local stage = self.recipe.stages[at.stage]
  local name = ctx and ctx.stage or stage and stage.name
  at = ctx and { step = ctx.run_step, epoch = ctx.epoch } or at
  if self.log then
    self.log:write { kind = "diverged", step = at.step, epoch = at.epoch, stage = name, message = what }
  end
  local kept = self.saved_step and ("the checkpoint of step %d is kept in %s"):format(self.saved_step, self.out)
    or "there is no checkpoint yet"
  failure.raise(2, "training diverged in step %d (epoch %d, stage '%s'): %s; %s. A lower learning rate or clip = 1 "
    .. "may help", at.step, at.epoch, name or "end", what, kept)
end

--- Warns once when focal weights have faded: their sum under a tenth of the number of tasks for 100 steps.
function trouble:watch(sum, n)
  local at, policy = self.at, self.policy.object
  if policy.type ~= "focal" or policy.normalize or at.warned then
    return
  end
  at.faded = sum < n / 10 and at.faded + 1 or 0
  if at.faded == 100 then
    at.warned = true
    self:warn(("step %d: the focal weights have summed to less than %g for 100 steps, so training has slowed down "
      .. "(this step: %.3g); policy.focal { normalize = true } keeps their sum at the number of tasks"):format(at.step,
      n / 10, sum))
  end
end

function trouble:warn(text)
  if self.progress and self.progress.warn then
    self.progress:warn(text)
  else
    io.stderr:write("mtl: ", text, "\n")
  end
end

return trouble
