--- mtl check RECIPE|BUNDLE: all that can be wrong without training. Each stage makes one step on one batch, and one
-- batch of each split is evaluated; nothing is written.
local core = require "mtl.core"
local brief = require "mtl.cli.brief"
local layers = require "mtl.cli.layers"
local open = require "mtl.cli.open"
local param = require "mtl.param"
local path = require "mtl.path"
local text = require "mtl.cli.text"

local nowhere = { write = function() end, bytes = 0 }

local LARGE = 100 -- root mean square of a target that should be normalised

-- Mean and standard deviation of what is there.
local function spread(x)
  local missing = x:isnan()
  local n = math.max(1, x:count() - missing:sum():item())
  local mean = core.where(missing, 0, x):sum():item() / n
  return mean, math.sqrt(core.where(missing, 0, (x - mean):square()):sum():item() / n)
end

-- One forward and backward pass of every stage, as training makes it.
local function try_stages(t)
  local source, step, at = require "mtl.source", require "mtl.step", t.at
  t.log = nowhere
  for i, stage in ipairs(t.recipe.stages) do
    at.stage, at.step, at.stage_step, at.epoch = i, i, 0, 1
    t:enter()
    at.stage_step = 1
    step.run(t, stage, source.draw(t, stage))
    step.read(t)
  end
end

local function try_splits(t)
  local evaluate, all = require "mtl.evaluate", {}
  for i in ipairs(t.tasks) do
    all[i] = i
  end
  for split in pairs(t.rows) do
    evaluate.run(t, split, all, 1)
  end
end

local function print_tasks(t)
  local rows = { { "task", "target", "loss", "KPI", "metrics" } }
  local source_of = {}
  for _, source in ipairs(t.sources) do
    for _, i in ipairs(source.tasks) do
      source_of[i] = source
    end
  end
  for i, task in ipairs(t.tasks) do
    local metrics, target = {}, source_of[i].set.targets[task.target]
    for k, metric in ipairs(task.metrics or {}) do
      metrics[k] = brief(metric)
    end
    local what = target.kind == "class" and ("%d classes"):format(target.classes) or "number"
    if target.shape and #target.shape > 0 then
      what = ("%s, %s"):format(what, table.concat(target.shape, "x"))
    end
    rows[i + 1] = { task.name, ("%s (%s)"):format(task.target, what), brief(task.loss), brief(task.kpi),
      #metrics > 0 and table.concat(metrics, ", ") or "-" }
  end
  text.say(table.concat(text.table(rows, {}), "\n"), "")
end

-- Says which targets are numbers of such a size that a network begins far from them. @return whether any is
local function warn_of_scale(t)
  local any = false
  for _, source in ipairs(t.sources) do
    for i, name in ipairs(source.set.target_names) do
      local target = source.set.targets[name]
      if target.kind == "number" and not target.own and not target.dense then
        local mean, sd = spread(source.set:target_tensor("train", #source.set.inputs + i))
        if mean * mean + sd * sd > LARGE * LARGE then
          any = true
          text.say(("warning     %s has mean %.6g, sd %.6g, and is not normalised; normalize = true in its target, or "
            .. "log = true in a table, makes it learnable"):format(text.clean(name), mean, sd), "")
        end
      end
    end
  end
  return any
end

local function print_stages(t)
  local rows = { { "stage", "name", "tasks", "policy", "optimizer", "ends" } }
  local freezes = false
  for i, stage in ipairs(t.recipe.stages) do
    local tasks = #stage.tasks == #t.tasks and #t.tasks > 3 and "all" or table.concat(stage.tasks, ", ")
    rows[i + 1] = { i, stage.name, tasks, brief(stage.policy), brief(stage.optimizer),
      brief(stage.ends) .. (stage.max_epochs and (" | epochs(%d)"):format(stage.max_epochs) or ""),
      table.concat(stage.freeze or {}, ", ") }
    freezes = freezes or rows[i + 1][7] ~= ""
  end
  rows[1][7] = freezes and "freeze" or ""
  text.say(table.concat(text.table(rows, {}, { 2, 3 }), "\n"))
  if t.recipe.clip then
    text.say(("clip        %s"):format(param.show(t.recipe.clip)))
  end
  text.say ""
end

local function print_data(t)
  for _, source in ipairs(t.sources) do
    local set, list, tasks = source.set, {}, {}
    for _, split in ipairs { "train", "valid", "test" } do
      list[#list + 1] = set.rows[split] and ("%s %s"):format(split, text.count(set.rows[split]))
    end
    for k, i in ipairs(source.tasks) do
      tasks[k] = t.tasks[i].name
    end
    text.say(("data        %s; batches of %d; inputs %s%s"):format(table.concat(list, ", "), set.batch,
      table.concat(set.inputs, ", "), #t.sources > 1 and "; for " .. table.concat(tasks, ", ") or ""))
  end
end

local function check(file, shown, options)
  local recipe = open.recipe(file, options)
  if options.threads or recipe.threads then
    core.threads(options.threads or recipe.threads)
  end
  local t = require "mtl.training".new(recipe, { seed = options.seed, device = options.device,
    data_dir = options.data, folder = options.folder })
  try_stages(t)
  try_splits(t)
  text.say(("recipe      %s (%s)"):format(text.clean(recipe.name), text.clean(shown)))
  print_data(t)
  text.say ""
  text.say(table.concat(layers.lines(t.model), "\n"), "")
  text.say(table.concat(layers.totals(t.model), "\n"), "")
  print_tasks(t)
  print_stages(t)
  text.say(warn_of_scale(t) and "Nothing else is wrong." or "Nothing is wrong.")
end

-- A bundle is unpacked for the moment.
local function check_bundle(b, options)
  b:check_data(options.data)
  options.folder = b:data_folder()
  local to = os.tmpname()
  core.remove(to)
  open.confine(options, { (path.split(to)) })
  local undo = b:unpack(to, "recipe")
  local ok, message = pcall(check, path.join(path.join(to, "recipe"), b.manifest.recipe), b.path, options)
  undo()
  if not ok then
    error(type(message) == "string" and message:gsub(to:gsub("%p", "%%%0") .. "/recipe/", "") or message, 0)
  end
end

return {
  name = "check",
  summary = "everything that can be wrong with a recipe, without training",
  usage = { "mtl check RECIPE|BUNDLE [OPTIONS]" },
  arguments = { "RECIPE" },
  options = { open.options.set, open.options.seed, open.options.device, open.options.threads, open.options.data,
    open.options.memory, open.options.signature, open.options.trust },
  run = function(options, rest)
    options.data = open.data_folder(options.data)
    local b = open.bundle(rest[1], options)
    if b then
      return check_bundle(b, options)
    end
    open.confine(options)
    check(rest[1], rest[1], options)
  end,
}
