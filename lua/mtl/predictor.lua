--- A model with what a checkpoint says of its tasks: outputs for new inputs, without training data or a recipe.
-- Classes become probabilities, numbers are given in their own units.
local core = require "mtl.core"
local default_device = require "mtl.device".default
local element = require "mtl.element"
local inputs_of = require "mtl.data.inputs"
local source = require "mtl.source"
local units = require "mtl.units"

local predictor = {}
predictor.__index = predictor

-- Losses that train an output to be yes or no.
local yes_no = { binary_cross_entropy = true, focal = true }

--- Whether a task's output says yes or no. @param task description, loss (its type), shape (of the output)
function predictor.binary(task)
  return task.description.kind == "class" and task.shape[1] == 1
    or task.description.kind == "number" and yes_no[task.loss] or false
end

-- A checkpoint may come from anyone: what its parts say of one another.
local function check(info, where)
  local good = #info.tasks > 0
  for _, kept in ipairs(info.sources) do
    good = good and kept.batch > 0
  end
  for _, task in ipairs(info.tasks) do
    good = good and info.sources[task.source] and (task.description.kind == "number" or task.description.classes)
  end
  if not good then
    error(("%s: not a checkpoint of this mtl: its tasks or data are not described"):format(where), 0)
  end
end

-- As many outputs as the classes, which have as many names.
local function check_classes(task, where)
  local classes, levels = task.description.classes, task.description.levels
  if task.description.kind == "class" and (not task.binary and task.shape[1] ~= classes
    or levels and #levels ~= classes) then
    error(("%s: damaged: task '%s' has %d classes, %d of them with names, and its head %d outputs"):format(where,
      task.name, classes, levels and #levels or 0, task.shape[1] or 0), 0)
  end
end

--- @param saved a checkpoint (checkpoint.open)
-- @param model of it, frozen and filled already, or nil: then it is made on `device`
function predictor.new(saved, model, device)
  local info = saved.info
  check(info, saved.path)
  local self = setmetatable({ info = info, path = saved.path, tasks = {}, sources = {},
    model = model or core.model(info.model) }, predictor)
  for k, kept in ipairs(info.sources) do
    self.sources[k] = setmetatable({ set = kept, tasks = {}, mask = 0 }, source)
  end
  for i, task in ipairs(info.tasks) do
    local loss = task.loss and task.loss.type
    self.tasks[i] = { name = task.name, description = task.description, loss = loss, source = task.source, index = i,
      trained = info.at.seen[task.name] and true or false }
    table.insert(self.sources[task.source].tasks, i)
  end
  local shapes = source.shapes(self.sources, self.model)
  if not model then
    self.model:freeze { seed = info.seed, device = device or default_device(), inputs = shapes }
    require "mtl.checkpoint".restore_model(saved, self.model)
  end
  for i, task in ipairs(self.tasks) do
    task.shape = self.model:output_shape(i)
    task.binary = predictor.binary(task)
    check_classes(task, saved.path)
  end
  return self
end

--- An output as people read it: probabilities of classes (along dimension 2; of one output: of yes), numbers in their
-- own units and in the target's shape.
function predictor.read(task, output)
  local description = task.description
  if task.binary then
    return output:sigmoid()
  elseif description.kind == "class" then
    return output:softmax(2)
  end
  local rows, count = #output, 1
  for _, size in ipairs(description.shape or {}) do
    count = count * size
  end
  if rows * count == output:count() and #(description.shape or {}) > 0 then
    output = element.match(output, core.zeros(rows, table.unpack(description.shape)))
  end
  return units.own(description, units.like_target(task.loss, output))
end

--- Predicts the tasks of a mask for one batch.
-- @param inputs tensors in the order of the model's inputs
-- @return readable outputs by the tasks' places
function predictor:batch(inputs, mask)
  local first, there = self.model:parameters()[1], {}
  for i, input in pairs(inputs) do
    there[i] = first and input:to(first.tensor:device()) or input
  end
  local outputs = self.model:forward(there, mask, false)
  local read = {}
  for i, task in ipairs(self.tasks) do
    if mask & 1 << (i - 1) ~= 0 then
      read[i] = predictor.read(task, outputs[i]:to "cpu")
    end
  end
  return read
end

--- Goes through rows in batches of the run's size: for first, outputs in predictor:batches(inputs, mask) do
-- @param inputs in the order of the model's inputs; nil for those that no task of the mask reads
function predictor:batches(inputs, mask)
  local size, rows, first = self.info.sources[1].batch or 64, nil, 1
  for _, input in pairs(inputs) do
    if rows and #input ~= rows then
      error(("predict: inputs of %d and of %d rows"):format(rows, #input), 0)
    end
    rows = #input
  end
  return function()
    if not rows or first > rows then
      return nil
    end
    local from, batch = first, {}
    first = first + size
    for i, input in pairs(inputs) do
      batch[i] = rows <= size and input or input:slice(1, from, math.min(first - 1, rows))
    end
    collectgarbage "step"
    return from, core.no_grad(self.batch, self, batch, mask)
  end
end

--- Places and mask of the tasks with these names (nil: every task that was trained).
function predictor:choose(names)
  local index, mask, wanted, known = {}, 0, {}, {}
  for _, task in ipairs(self.tasks) do
    known[task.name] = true
  end
  for _, name in ipairs(names or {}) do
    if not known[name] then
      error("predict: " .. require "mtl.nearest".unknown("task", name, known), 0)
    end
    wanted[name] = true
  end
  for i, task in ipairs(self.tasks) do
    if wanted[task.name] or not names and task.trained then
      index[#index + 1], mask = i, mask | 1 << (i - 1)
    end
  end
  return index, mask
end

-- The i-th input as the model reads it: floats as they are, uint8 pixels as in training.
function predictor:prepared(i, input)
  for _, s in ipairs(self.sources) do
    if s.inputs[i] and input:dtype() == "uint8" then
      return inputs_of.pixels(s.set, s.set.inputs[s.inputs[i]], input)
    end
  end
  return input
end

--- Outputs of every task that was trained, by name, for tensors as the model sees them.
-- @param x a tensor, or tensors by the names of the model's inputs (or in their order)
function predictor:predict(x)
  local names, inputs = self.model:inputs(), {}
  if core.type(x) == "mtl.tensor" then
    x = { x }
  elseif type(x) ~= "table" then
    error("predict: it takes a tensor, or a table of tensors by the names of the model's inputs: "
      .. table.concat(names, ", "), 0)
  end
  core.no_grad(function()
    for i, name in ipairs(names) do
      local input = x[i] or x[name]
      inputs[i] = input and self:prepared(i, input)
    end
  end)
  local parts, out = {}, {}
  local index, mask = self:choose()
  for _, outputs in self:batches(inputs, mask) do
    for _, i in ipairs(index) do
      parts[i] = parts[i] or {}
      table.insert(parts[i], outputs[i])
    end
  end
  for i, list in pairs(parts) do
    out[self.tasks[i].name] = #list == 1 and list[1] or core.no_grad(core.cat, list, 1)
  end
  return out
end

return predictor
