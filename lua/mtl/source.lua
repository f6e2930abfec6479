--- Where a training's batches come from: the recipe's data, and the data sets that tasks bring of their own, each with
-- the tasks that read it. An epoch is as long as the longest of them; a shorter one begins again, in another order.
local setup = require "mtl.setup"

local source = {}
source.__index = source

--- The sources of a recipe, not yet bound to a model: each has set, tasks (their places) and mask.
-- @param open function(declaration, kept) -> set
-- @param kept states of an earlier run's sets, in the same order, or nil
function source.open(recipe, open, kept)
  local list, by = {}, {}
  for i, task in ipairs(recipe.tasks) do
    local declaration = task.data or recipe.data
    local s = by[declaration]
    if not s then
      local before = kept and kept[#list + 1]
      s = setmetatable({ set = open(declaration, before and before.state), tasks = {}, mask = 0, place = #list + 1 },
        source)
      list[#list + 1], by[declaration] = s, s
    end
    s.tasks[#s.tasks + 1] = i
    s.mask = s.mask | 1 << (i - 1)
  end
  return list
end

--- Shapes of the model's inputs, each from the first source that has it.
function source.shapes(list, model)
  local shapes = {}
  for _, s in ipairs(list) do
    s.inputs = setup.inputs(s.set, model, #list > 1)
    for i, name in ipairs(model:inputs()) do
      local shape = s.inputs[i] and s.set.input_shapes[s.inputs[i]]
      if shape and shapes[i] and table.concat(shape, "x") ~= table.concat(shapes[i], "x") then
        error(("tasks[%d].data gives inputs '%s' of shape [%s], but another task's data of shape [%s]"):format(
          s.tasks[1], name, table.concat(shape, ", "), table.concat(shapes[i], ", ")), 0)
      end
      shapes[i] = shapes[i] or shape
    end
  end
  for i, name in ipairs(model:inputs()) do
    if not shapes[i] then
      error(("the model reads '%s', which no data set gives"):format(name), 0)
    end
  end
  return shapes
end

--- Binds a source to the recipe's tasks: places of their targets, a loader of its rows, the device of its batches.
function source:bind(recipe, device)
  self.field, self.device = setup.targets(self.set, recipe.tasks), device
  self.loader = self.set:loader "train"
  self.batches = self.loader:batches()
end

-- The first source's order is that of its seed; others have an order of their own.
local function begin(self, first)
  self.loader:start(true, self.seed + (self.place - 1) * 0x9E3779B9, self.epoch | self.cycle << 20, first)
end

--- Starts an epoch after `drawn` of its batches.
function source:start(seed, epoch, drawn)
  self.seed, self.epoch, self.cycle = seed, epoch, drawn // self.batches
  begin(self, drawn % self.batches)
end

--- The next batch and its rows; where the set is over, it begins again.
function source:next()
  local batch, rows = self.loader:next(self.device, self.field)
  if not batch then
    self.cycle = self.cycle + 1
    begin(self, 0)
    batch, rows = self.loader:next(self.device, self.field)
  end
  return batch, rows
end

--- The tensors of a batch that the model reads, in its order; nil for inputs that only other sources have.
function source:pick(batch)
  local picked = {}
  for i, place in pairs(self.inputs) do
    picked[i] = batch[place]
  end
  return picked
end

--- A loader of a split, made once; nil where the set has none.
function source:split(name)
  self.loaders = self.loaders or {}
  if self.set.rows[name] and not self.loaders[name] then
    self.loaders[name] = self.set:loader(name)
  end
  return self.loaders[name]
end

--- Batches of an epoch: those of the longest source with a task in `mask`.
function source.longest(list, mask)
  local n = 0
  for _, s in ipairs(list) do
    n = s.mask & mask ~= 0 and math.max(n, s.batches) or n
  end
  return n
end

--- Rows of each split, over all sources.
function source.rows(list)
  local rows = {}
  for _, s in ipairs(list) do
    for name, n in pairs(s.set.rows) do
      rows[name] = (rows[name] or 0) + n
    end
  end
  return rows
end

--- Starts the epoch `at.epoch` of a training after the steps of it that were made.
-- @return function() -> a batch of every source with an active task, by its place; nil at the epoch's end
function source.draw(t, stage)
  local at, active = t.at, {}
  local a_step = t.recipe.accumulate * stage.policy.batches
  local drawn = at.batch * a_step
  local draws = stage.policy.batches > 1 and t.batches * a_step or source.longest(t.sources, stage.mask)
  for k, s in ipairs(t.sources) do
    if s.mask & stage.mask ~= 0 then
      active[k] = s
      s:start(t.seed, at.epoch, drawn)
    end
  end
  return function()
    if drawn >= draws then
      return nil
    end
    drawn = drawn + 1
    local batches = {}
    for k, s in pairs(active) do
      local rows
      batches[k], rows = s:next()
      at.samples = at.samples + rows
    end
    return batches
  end
end

return source
