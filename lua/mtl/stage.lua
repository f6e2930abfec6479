--- Stages that bring in one task after the other: stage 0 trains task 0, stage 1 tasks 0 and 1, and so on.
local declare = require "mtl.declare"
local nearest = require "mtl.nearest"
local param = require "mtl.param"

local stage = {}

local known = {
  epochs = { default = 1, type = "size or table" },
  ends = { type = "when" },
  policy = { type = "policy" },
  first = { type = "policy" },
}

--- mtl.stages.incremental(tasks, { epochs = 1, policy = policy.focal { normalize = true } })
-- @param tasks names in the order in which they come in, as { "left", "right" }
-- @param options epochs: of each stage, one number or a list; ends: a condition for every stage but the last, beside
-- its epochs (whichever comes first); policy: from the second stage on (default: normalized focal weights: they
-- explode near KPI 0, so they are not used before the first task has been learned); first: of the first stage
-- (default: uniform)
-- @return list of stages for a recipe
function stage.incremental(tasks, options)
  local function fail(message)
    declare.fail("stages.incremental: " .. message)
  end
  options = options or {}
  if not param.plain(tasks) or #tasks == 0 then
    fail "the first argument should be a list of task names, as { \"left\", \"right\" }"
  end
  for key in pairs(param.plain(options) and options or fail "the options should be a table") do
    if not known[key] then
      fail(("unknown option '%s'%s"):format(tostring(key), nearest.hint(key, known)))
    end
  end
  for key, spec in pairs(known) do
    local wrong = param.wrong(spec, key, options[key])
    if wrong then
      fail(wrong)
    end
  end
  local epochs = options.epochs or 1
  if type(epochs) == "table" and #epochs ~= #tasks then
    fail(("epochs has %d numbers for %d tasks"):format(#epochs, #tasks))
  end
  local policies, when = require "mtl.policy", require "mtl.when"
  local focal = options.policy or policies.focal { normalize = true }
  local stages = {}
  for i = 1, #tasks do
    local ends = when.epochs(type(epochs) == "table" and epochs[i] or epochs)
    if options.ends and i < #tasks then
      ends = ends | options.ends
    end
    stages[i] = {
      name = i == 1 and tostring(tasks[1]) or "+ " .. tostring(tasks[i]),
      tasks = table.move(tasks, 1, i, 1, {}),
      policy = i == 1 and (options.first or policies.uniform()) or focal,
      ends = ends,
    }
  end
  return stages
end

return stage
