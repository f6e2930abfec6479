--- What the predictions for a split looked like: of each task a confusion matrix, or points of truth and prediction;
-- and the first rows, with inputs, truths and predictions. It watches an evaluation (see evaluate.run), so it costs no
-- pass of its own, and whatever goes wrong in it is kept in `failed`: the evaluation does not notice.
local core = require "mtl.core"
local element = require "mtl.element"
local outputs = require "mtl.cli.outputs"
local pictures = require "mtl.cli.pictures"
local predictor = require "mtl.predictor"
local thumbnail = require "mtl.report.thumbnail"
local units = require "mtl.units"

local outcome = {}
outcome.__index = outcome

local ROWS, POINTS, CLASSES = 8, 800, 200 -- that are shown, at most
local NUMBERS = 8                         -- of an input or output that is shown as numbers

function outcome.new()
  return setmetatable({ tasks = {}, rows = {}, about = {} }, outcome)
end

-- Five digits: as many as a page shows.
local function short(x)
  return x == x and math.abs(x) < math.huge and tonumber(("%.5g"):format(x)) or core.null
end

local function shorts(t)
  local list = core.array(t:reshape(-1):totable())
  for i, x in ipairs(list) do
    list[i] = short(x)
  end
  return list
end

local function size(shape)
  local n = 1
  for _, d in ipairs(shape or {}) do
    n = n * d
  end
  return n
end

-- ---- confusion: matrix[truth][prediction] ----

local function count(task, read, truth)
  local n = task.classes
  local guess, y, missing
  if task.binary then
    y = truth:cast "float32"
    missing = y:isnan():maximum(y:lt(0))
    guess, y = element.match(read, y):ge(0.5), core.where(missing, 0, y):gt(0.5)
  else
    y, missing = element.classes(truth, task.ignore)
    guess, y = read:argmax(2):cast "float32", y:cast "float32"
  end
  local cell = y * n + guess
  cell = missing and core.where(missing, n * n, cell) or cell
  local cells = cell:cast("int32"):reshape(-1):bincount(n * n + 1):totable()
  for place = 1, n * n do
    local row = task.shown.matrix[(place - 1) // n + 1]
    row[(place - 1) % n + 1] = row[(place - 1) % n + 1] + cells[place]
  end
end

local function matrix(n)
  local rows = core.array {}
  for i = 1, n do
    rows[i] = core.array {}
    for j = 1, n do
      rows[i][j] = 0
    end
  end
  return rows
end

-- ---- scatter: every k-th number of the split ----

local function scatter(task, read, truth)
  local x = units.own(task.description, truth:cast "float32")
  local y = element.match(read, x):reshape(-1)
  x = x:reshape(-1)
  local places, n = {}, x:count()
  for place = -task.passed % task.every, n - 1, task.every do
    places[#places + 1] = place
  end
  task.passed = task.passed + n
  if #places > 0 then
    local at = core.tensor(places, "int32")
    local xs, ys = x:take(1, at):totable(), y:take(1, at):totable()
    for i, value in ipairs(xs) do
      if short(value) ~= core.null and short(ys[i]) ~= core.null then
        table.insert(task.shown.truth, short(value))
        table.insert(task.shown.predicted, short(ys[i]))
      end
    end
  end
end

local function none() end

-- What is known about the i-th task of a training, and how its batches are added.
local function describe(t, source, split, i)
  local own = t.recipe.tasks[i]
  local description = source.set.targets[own.target]
  local task = { name = own.name, description = description, loss = own.loss.type, shape = t.model:output_shape(i),
    ignore = own.loss.ignore and math.tointeger(own.loss.ignore), add = none, passed = 0 }
  task.binary = predictor.binary(task)
  task.picture = pictures.kind(task)
  task.classes = (task.binary or description.kind == "class") and math.max(description.classes or 2, 2) or nil
  task.shown = { name = own.name, loss = own.loss.type, kpi = own.kpi.type }
  if task.classes and task.classes <= CLASSES then
    task.shown.matrix, task.shown.labels = matrix(task.classes), core.array(outputs.labels(task))
    task.add = count
  elseif not task.classes and task.picture ~= "normals" then
    local numbers = source.set.rows[split] * size(description.shape)
    task.every = math.max(1, math.ceil(numbers / POINTS))
    task.shown.truth, task.shown.predicted, task.shown.of = core.array {}, core.array {}, numbers
    task.add = scatter
  end
  return task
end

-- ---- rows ----

local function input_of(x)
  local shape = x:shape()
  if x:dtype() ~= "int32" and thumbnail.fits(shape) then
    return { image = thumbnail.image(x:cast "float32") }
  elseif x:count() <= NUMBERS then
    return { numbers = shorts(x) }
  end
  return { shape = core.array(shape) }
end

local function picture_of(task, x, of_target)
  local kind = task.picture
  if kind == "labels" then
    x = of_target and x or task.binary and x:ge(0.5):cast "int32" or x:argmax(2)
    return { image = thumbnail.labels(x:reshape(x:shape(x:rank() - 1), x:shape(x:rank())):cast "int32", task.classes) }
  end
  local made, bits = pictures.make[kind](core.where(x:isnan(), 0, x), task)
  return { image = thumbnail.whole(made:select(1, 1), bits == 16 and 65535 or 255) }
end

-- Truth and prediction of one row, [1, ...] each.
local function pair(task, read, truth)
  if task.picture then
    return { truth = picture_of(task, truth, true), predicted = picture_of(task, read) }
  elseif task.classes and size(task.shape) == (task.binary and 1 or task.classes) then
    local labels, y = outputs.labels(task), truth:reshape(-1):totable()[1]
    local cells = outputs.form(task).rows(read)[1].cells
    local known = y == y and y >= 0 and labels[math.floor(y + 0.5) + 1]
    return { truth = known or core.null, predicted = cells[1], p = short(cells[2]),
      right = known and known == cells[1] or false }
  end
  local own = task.classes and truth or units.own(task.description, truth:cast "float32")
  if own:count() > NUMBERS then
    return { truth = core.null, predicted = core.null }
  end
  return { truth = shorts(own), predicted = shorts(read) }
end

local function keep_rows(self, source, batch, reads, truths)
  local rows = self.rows[source.place]
  local inputs, places = {}, {}
  for _, place in pairs(source.inputs) do
    places[#places + 1] = place
  end
  table.sort(places)
  for k, place in ipairs(places) do
    inputs[k] = batch[place]:to "cpu"
  end
  local n = math.min(ROWS - #rows, #inputs[1])
  for r = 1, n do
    local row = { inputs = core.array {}, tasks = {} }
    for k, x in ipairs(inputs) do
      row.inputs[k] = input_of(x:select(1, r))
    end
    for task, read in pairs(reads) do
      row.tasks[task.name] = pair(task, read:slice(1, r, r), truths[task]:slice(1, r, r))
    end
    rows[#rows + 1] = row
  end
end

local function look(self, t, source, split, batch, results)
  local reads, truths = {}, {}
  for _, i in ipairs(source.tasks) do
    if results[i] then
      local task = self.about[i] or describe(t, source, split, i)
      if not self.about[i] then
        self.about[i], self.tasks[#self.tasks + 1] = task, task.shown
      end
      truths[task] = batch[source.field[i]]:to "cpu"
      reads[task] = predictor.read(task, results[i]:to "cpu")
      task.add(task, reads[task], truths[task])
    end
  end
  self.rows[source.place] = self.rows[source.place] or core.array {}
  if next(reads) and #self.rows[source.place] < ROWS then
    keep_rows(self, source, batch, reads, truths)
  end
end

--- One batch of a split, its tensors in the order of the source's fields, and the model's outputs for it.
function outcome:batch(t, source, split, batch, results)
  if not self.failed then
    local ok, message = pcall(look, self, t, source, split, batch, results)
    self.split, self.failed = split, not ok and tostring(message) or nil
  end
end

--- Plain values, for JSON: { split =, tasks = { { name =, loss =, kpi =, matrix =, labels =; or truth =, predicted =,
-- of = } }, rows = { (by source) { inputs =, tasks = { left = { truth =, predicted =, p =, right = } } } }, failed = }.
function outcome:plain()
  local rows = core.array {}
  for _, list in pairs(self.rows) do
    rows[#rows + 1] = #list > 0 and list or nil
  end
  return { split = self.split, tasks = core.array(self.tasks), rows = rows, failed = self.failed }
end

return outcome
