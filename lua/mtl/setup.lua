--- What stands between a recipe and its training: what is refused, how data are opened, and which tensors of a batch
-- are the model's inputs and the tasks' targets.
local path = require "mtl.path"

local setup = {}

--- Refuses policies that want what this version cannot give them.
function setup.refuse_policies(recipe)
  local own_data = false
  for _, task in ipairs(recipe.tasks) do
    own_data = own_data or task.data ~= nil
  end
  for _, stage in ipairs(recipe.stages) do
    local p = stage.policy
    local reason = p.needs == "rows" and "it rewrites the task gradients themselves"
      or p.batches ~= 1 and ("it needs %d batches a step"):format(p.batches)
      or p.at == "representation" and "it works on the gradients of the trunk's output"
      or p.wants_after and recipe.accumulate > 1 and "it looks at the whole batch twice: not with accumulate"
      or p.wants_after and own_data and "it looks at one batch twice: not with a data set for each task"
      or p.needs == "slice_gram" and "it weighs the gradients of each layer by themselves"
    if reason then
      error(("stage '%s': policy.%s: %s, which this version of mtl does not give"):format(stage.name, p.type, reason),
        0)
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
