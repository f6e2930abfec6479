--- What stands between a recipe and its training: what is refused, how data are opened, and which tensors of a batch
-- are the model's inputs and the tasks' targets.
local path = require "mtl.path"

local setup = {}

--- Refuses what a recipe may say and this version cannot do.
function setup.refuse_unsupported(recipe)
  local function refuse(what)
    error(("%s: this version of mtl does not have it yet"):format(what), 0)
  end
  if recipe.accumulate ~= nil and recipe.accumulate ~= 1 then
    refuse "accumulate"
  elseif recipe.diagnose ~= nil and recipe.diagnose ~= 0 then
    refuse "diagnose"
  end
  for _, task in ipairs(recipe.tasks) do
    if task.data then
      refuse(("tasks.%s.data (a data set of its own)"):format(task.name))
    end
  end
  for _, stage in ipairs(recipe.stages) do
    if stage.policy.needs and stage.policy.needs ~= "loss" then
      refuse(("policy '%s', which needs %s"):format(stage.policy.type, stage.policy.needs))
    end
  end
end

--- Opens a recipe's data as its declaration says. Relative paths start at `from`.
function setup.open_data(recipe, from, data_dir, state)
  return recipe.data:open {
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
function setup.same_rows(set, saved)
  local kept = saved and saved.info.rows or set.rows
  for _, name in ipairs { "train", "valid", "test" } do
    if set.rows[name] ~= kept[name] then
      error(("the data have changed since the run was started: split '%s' had %d rows, and now has %d"):format(name,
        kept[name] or 0, set.rows[name] or 0), 0)
    end
  end
end

--- Places in a batch of what the model reads, and the shapes of that.
function setup.inputs(set, model)
  local place, inputs, shapes = {}, {}, {}
  for i, name in ipairs(set.inputs) do
    place[name] = i
  end
  local names = model:inputs()
  for i, name in ipairs(names) do
    inputs[i] = place[name] or #names == 1 and #set.inputs == 1 and 1
    if not inputs[i] then
      error(("the model reads '%s', but the data have %s"):format(name, table.concat(set.inputs, ", ")), 0)
    end
    shapes[i] = set.input_shapes[inputs[i]]
  end
  return inputs, shapes
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
