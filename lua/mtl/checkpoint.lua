--- A checkpoint: one safetensors file, replaced whole. Its tensors are parameters and statistics by their names, then
-- the moments of optimizers; its metadata hold, as JSON under "mtl", everything else that a run needs to go on to the
-- same bits.
local core = require "mtl.core"
local folder = require "mtl.folder"
local form = require "mtl.form"
local parts = require "mtl.parts"

local checkpoint = {}

local TENSOR = "mtl:tensor" -- key of a table that stands for a tensor

-- A policy's state without its tensors, which go to `list` under names of their own; in their places stand those names.
local function lifted(state, name, list)
  if core.type(state) == "mtl.tensor" then
    list[#list + 1] = { name, state }
    return { [TENSOR] = name }
  elseif type(state) ~= "table" then
    return state
  end
  local plain = {}
  for key, value in pairs(state) do
    plain[key] = lifted(value, name .. "." .. key, list)
  end
  return plain
end

-- The same the other way round.
local function lowered(plain, saved, device)
  if type(plain) ~= "table" then
    return plain
  elseif type(plain[TENSOR]) == "string" then
    return saved.tensor(plain[TENSOR]):to(device)
  end
  local state = {}
  for key, value in pairs(plain) do
    state[key] = lowered(value, saved, device)
  end
  return state
end

-- What a training holds as tensors: { { name, tensor }, ... }.
local function tensors_of(t)
  local list = {}
  for _, p in ipairs(t.model:parameters()) do
    list[#list + 1] = { p.name, p.tensor }
  end
  for _, s in ipairs(t.model:states()) do
    list[#list + 1] = { s.name, s.tensor }
  end
  local function moments(name, optimizer)
    local first, second = optimizer:moments()
    list[#list + 1] = first and { name .. ".first", first }
    list[#list + 1] = second and { name .. ".second", second }
  end
  if t.optimizer then
    moments("optimizer", t.optimizer)
  end
  for name, leaf in pairs(parts.leaves(t)) do
    list[#list + 1] = { name, leaf.tensor }
    moments(name, leaf.optimizer)
  end
  return list
end

--- Whether every parameter is a finite number.
function checkpoint.finite(model)
  local zero = core.no_grad(function()
    return (model:params() * 0):sum():item()
  end)
  return zero == 0
end

-- What a run needs to go on, and what reads new data as the training did: without the recipe.
local function describe(t)
  local tasks, sources = {}, core.array {}
  for k, s in ipairs(t.sources) do
    sources[k] = { kind = s.set.kind, state = s.set.state, inputs = s.set.inputs, input_shapes = s.set.input_shapes,
      batch = s.set.batch }
    for _, i in ipairs(s.tasks) do
      local task = t.recipe.tasks[i]
      tasks[i] = { name = task.name, target = task.target, description = s.set.targets[task.target], source = k,
        loss = { type = task.loss.type } }
    end
  end
  return { format = folder.FORMAT, version = core.VERSION, recipe = t.recipe.name, seed = t.seed,
    model = t.recipe.model_json, rows = t.rows, tasks = tasks, sources = sources, at = t.at, metrics = t.log.bytes,
    rand = { core.manual_seed() } }
end

--- Writes all of a training, replacing the file at `path` whole.
function checkpoint.save(path, t)
  local info = describe(t)
  info.passes = t.model:passes()
  info.counts = t.optimizer and core.array(t.optimizer:counts())
  info.policies, info.leaves = {}, {}
  local tensors = tensors_of(t)
  for key, policy in pairs(t.policies) do
    info.policies[tostring(key)] = { state = lifted(policy.object.state, "policies." .. key, tensors) }
  end
  for name, leaf in pairs(parts.leaves(t)) do
    info.leaves[name] = leaf.optimizer:counts()[1]
  end
  table.sort(tensors, function(a, b) return a[1] < b[1] end)
  core.safetensors_write(path, tensors, { { "mtl", core.json_encode(info) } })
end

-- What others rely on; what a kind of data keeps in `state` it reads with care.
local whole = { "integer" }
local FORM = {
  format = "integer", seed = "number", model = "string", metrics = "integer", passes = "integer", rand = { "number" },
  rows = whole, policies = { "table" }, leaves = whole,
  at = { step = "integer", epoch = "integer", batch = "integer", stage = "integer", stage_step = "integer",
    stage_epoch = "integer", samples = "integer", seconds = "number", train_seconds = "number", faded = "integer",
    kpi_ema = { "number" }, soft_ema = { "number" }, since = whole, seen = { "boolean" }, when = "table",
    stages = { "table" }, ["best?"] = "number" },
  sources = { { kind = "string", ["state?"] = "table", inputs = { "string" }, input_shapes = { whole },
    batch = "integer" } },
  tasks = { { name = "string", target = "string", source = "integer", ["loss?"] = { type = "string" }, description = {
    kind = "string", ["classes?"] = "integer", ["levels?"] = { "string" }, ["shape?"] = whole, ["dense?"] = "string",
    ["own?"] = { scale = "number", shift = "number" } } } },
}

--- Opens a checkpoint: { info =, tensor = function(name) -> tensor }. Errors name the file.
function checkpoint.open(path)
  local file = core.safetensors_read(path)
  local text = file:meta "mtl"
  if not text then
    error(("%s: not a checkpoint of mtl: its metadata have no 'mtl'"):format(path), 0)
  end
  local ok, info = pcall(core.json_decode, text)
  local wrong = not ok and "mtl" or form.wrong(info, FORM, "mtl")
  if ok and type(info) == "table" and math.type(info.format) and info.format ~= folder.FORMAT then
    error(("%s is of format %s, and this mtl reads %d"):format(path, info.format, folder.FORMAT), 0)
  elseif wrong then
    error(("%s: not a checkpoint of mtl, or damaged: '%s' in its metadata is not what it should be"):format(path,
      wrong), 0)
  end
  return {
    path = path, info = info,
    tensor = function(name)
      return file:tensor(name)
    end,
  }
end

local function copy(saved, name, into)
  local t = saved.tensor(name)
  local ok, message = pcall(into.copy_, into, t)
  if not ok then
    error(("%s: '%s' does not fit the model: %s"):format(saved.path, name, message), 0)
  end
end

--- Parameters and statistics into a frozen model of the same JSON.
function checkpoint.restore_model(saved, model)
  core.no_grad(function()
    for _, p in ipairs(model:parameters()) do
      copy(saved, p.name, p.tensor)
    end
    for _, s in ipairs(model:states()) do
      copy(saved, s.name, s.tensor)
    end
  end)
  model:passes(saved.info.passes)
end

local function restore_optimizer(saved, name, optimizer, counts)
  local first, second = optimizer:moments()
  if first then
    copy(saved, name .. ".first", first)
  end
  if second then
    copy(saved, name .. ".second", second)
  end
  optimizer:counts(counts)
end

--- Optimizer, policies and leaves, which must exist as they did when it was saved.
function checkpoint.restore_training(saved, t)
  if t.optimizer and saved.info.counts then
    restore_optimizer(saved, "optimizer", t.optimizer, saved.info.counts)
  end
  for key, policy in pairs(t.policies) do
    local kept = saved.info.policies[tostring(key)]
    if kept then
      policy.object.state = lowered(kept.state, saved, t.device)
    end
  end
  for name, leaf in pairs(parts.leaves(t)) do
    if saved.info.leaves[name] then
      copy(saved, name, leaf.tensor)
      restore_optimizer(saved, name, leaf.optimizer, { saved.info.leaves[name] })
    end
  end
end

return checkpoint
