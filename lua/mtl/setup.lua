--- What stands between a recipe and its training: what is refused, how data are opened, and which tensors of a batch
-- are the model's inputs and the tasks' targets.
local core = require "mtl.core"
local declare = require "mtl.declare"
local gradients = require "mtl.gradients"
local path = require "mtl.path"
local policy = require "mtl.policy"

local setup = {}

-- Why a policy on the gradients of a representation cannot be served by the recipe's model, or nil.
local function no_representation(recipe, stage)
  local p = stage.policy
  if p.at == "representation" and #stage.tasks > 1
    and not core.model(recipe.model_json):has_representation(stage.mask) then
    return ("works on the gradients of the representation that all its tasks read, and in this model there is "
      .. "none; %s"):format(declare.definition(p).params.at and "at = 'shared' works on the shared parameters" or
        "another policy on gradients works on the shared parameters")
  end
end

--- Refuses policies that this recipe cannot serve.
function setup.refuse_policies(recipe)
  local own_data = false
  for _, task in ipairs(recipe.tasks) do
    own_data = own_data or task.data ~= nil
  end
  for _, stage in ipairs(recipe.stages) do
    local p = stage.policy
    local excludes = policy.excludes(p)
    local why = recipe.accumulate > 1 and excludes.accumulate and excludes.accumulate .. ": not with accumulate"
      or own_data and excludes.data and excludes.data .. ": not with a data set for each task"
      or no_representation(recipe, stage)
    if why then
      error(("stage '%s': policy.%s %s"):format(stage.name, p.type, why), 0)
    end
  end
end

-- Whether two tasks of a mask share a layer with parameters.
local function share_any(model, mask)
  for _, layer in ipairs(model:layers()) do
    local tasks = layer.tasks & mask
    if layer.parameters > 0 and tasks & (tasks - 1) ~= 0 then
      return true
    end
  end
end

--- Refuses policies on the gradients of shared parameters where the tasks of their stage share none.
function setup.refuse_unshared(recipe, model)
  for _, stage in ipairs(recipe.stages) do
    local p = stage.policy
    local what = #stage.tasks > 1 and (p.at == "last_shared" and not gradients.last_shared(model, stage.mask)
      and "the last layer with parameters that all its tasks share"
      or p.at == "shared" and p.needs ~= "loss" and not share_any(model, stage.mask)
      and "parameters that its tasks share")
    if what then
      error(("stage '%s': policy.%s works on the gradients of %s, and in this model there is none; a policy on losses, "
        .. "as focal, does not need one"):format(stage.name, p.type, what), 0)
    end
  end
end

--- Opens data as their declaration says. Relative paths start at `from`.
-- @param state what an earlier run kept of them, or nil
function setup.open_data(declaration, from, data_dir, state)
  return declaration:open {
    folder = from, data_dir = data_dir, state = state,
    path = function(p)
      return path.check(p, "read", from)
    end,
  }
end

--- A checkpoint goes on with its own recipe and seed only.
function setup.same_run(recipe, seed, saved)
  local info = saved and saved.info
  if info and info.model ~= recipe.model_json then
    error(("%s: the recipe's model is not the one of the checkpoint"):format(saved.path), 0)
  elseif info and info.seed ~= seed then
    error(("%s: made with seed %s, and asked to go on with %s"):format(saved.path, info.seed, seed), 0)
  end
end

--- Data that changed since a run was started would be split in another way: rows that it trained on would be tested.
function setup.same_rows(rows, saved)
  local kept = saved and saved.info.rows or rows
  for _, name in ipairs { "train", "valid", "test" } do
    if rows[name] ~= kept[name] then
      error(("the data have changed since the run was started: split '%s' had %d rows, and now has %d"):format(name,
        kept[name] or 0, rows[name] or 0), 0)
    end
  end
end

--- Places in a batch of what the model reads, in its order.
-- @param partly other data sets give what this one has not: nil stands for that
function setup.inputs(set, model, partly)
  local place, inputs = {}, {}
  for i, name in ipairs(set.inputs) do
    place[name] = i
  end
  local names = model:inputs()
  for i, name in ipairs(names) do
    inputs[i] = place[name] or #names == 1 and #set.inputs == 1 and 1 or nil
    if not inputs[i] and not partly then
      error(("the model reads '%s', but the data have %s"):format(name, table.concat(set.inputs, ", ")), 0)
    end
  end
  return inputs
end

--- Places in a batch of the tasks' targets.
function setup.targets(set, tasks)
  local place, field = {}, {}
  for i, name in ipairs(set.target_names) do
    place[name] = #set.inputs + i
  end
  for i, task in ipairs(tasks) do
    field[i] = place[task.target]
  end
  return field
end

return setup
