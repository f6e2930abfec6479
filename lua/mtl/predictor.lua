--- A model with what a checkpoint says of its tasks: outputs for new inputs, without training data or a recipe.
-- Classes become probabilities, numbers are given in their own units.
local core = require "mtl.core"
local element = require "mtl.element"
local source = require "mtl.source"
local units = require "mtl.units"

local predictor = {}
predictor.__index = predictor

-- What turns a head's output into what people read, by the loss that trained it on numbers.
local yes_no = function(pred) return pred:sigmoid() end
local by_loss = {
  binary_cross_entropy = yes_no, focal = yes_no,
  poisson = function(pred) return pred:exp() end,
  kl_div = function(pred) return pred:softmax(2) end,
}

-- A checkpoint may come from anyone.
local function check(info, where)
  local good = type(info.sources) == "table" and type(info.tasks) == "table" and type(info.at.seen) == "table"
    and #info.tasks > 0
  for _, kept in ipairs(good and info.sources or {}) do
    good = good and type(kept) == "table" and type(kept.inputs) == "table" and type(kept.input_shapes) == "table"
  end
  for _, task in ipairs(good and info.tasks or {}) do
    good = good and type(task) == "table" and type(task.name) == "string" and type(task.description) == "table"
      and info.sources[task.source]
  end
  if not good then
    error(("%s: not a checkpoint of this mtl: its tasks or data are not described"):format(where), 0)
  end
end

--- @param saved a checkpoint (checkpoint.open)
-- @param model of it, frozen and filled already, or nil: then it is made on `device`
function predictor.new(saved, model, device)
  local info = saved.info
  check(info, saved.path)
  local self = setmetatable({ info = info, tasks = {}, sources = {}, model = model or core.model(info.model) },
    predictor)
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
    self.model:freeze { seed = info.seed, device = device or "cpu", inputs = shapes }
    require "mtl.checkpoint".restore_model(saved, self.model)
  end
  for i, task in ipairs(self.tasks) do
    task.shape = self.model:output_shape(i)
    task.binary = task.description.kind == "class" and task.shape[1] == 1
      or task.description.kind == "number" and by_loss[task.loss] == yes_no
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
  local read = by_loss[task.loss]
  return units.own(description, read and read(output) or output)
end

--- Predicts the tasks of a mask for one batch.
-- @param inputs tensors in the order of the model's inputs
-- @return readable outputs by the tasks' places
function predictor:batch(inputs, mask)
  local outputs = self.model:forward(inputs, mask, false)
  local read = {}
  for i, task in ipairs(self.tasks) do
    if mask & 1 << (i - 1) ~= 0 then
      read[i] = predictor.read(task, outputs[i])
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

-- One tensor as the model reads it: floats as they are, uint8 pixels scaled as in training.
local function prepared(input, state)
  if input:dtype() == "uint8" then
    return input:cast "float32" * (state.scale or 1 / 255) + (state.shift or 0)
  end
  return input
end

--- Outputs of every task that was trained, by name, for tensors as the model sees them.
-- @param x a tensor, or tensors by the names of the model's inputs (or in their order)
function predictor:predict(x)
  local names, inputs, state = self.model:inputs(), {}, self.info.sources[1].state or {}
  if core.type(x) == "mtl.tensor" then
    x = { x }
  elseif type(x) ~= "table" then
    error("predict: it takes a tensor, or a table of tensors by the names of the model's inputs: "
      .. table.concat(names, ", "), 0)
  end
  core.no_grad(function()
    for i, name in ipairs(names) do
      local input = x[i] or x[name]
      inputs[i] = input and prepared(input, state)
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
