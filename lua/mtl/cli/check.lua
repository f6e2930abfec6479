--- mtl check RECIPE: all that can be wrong without training. Each stage makes one step on one batch, and one batch of
-- each split is evaluated; nothing is written.
local core = require "mtl.core"
local declare = require "mtl.declare"
local open = require "mtl.cli.open"
local param = require "mtl.param"
local text = require "mtl.cli.text"

local nowhere = { write = function() end, bytes = 0 }

-- One forward and backward pass of every stage, as training makes it.
local function try_stages(t)
  local source, step, at = require "mtl.source", require "mtl.step", t.at
  t.log = nowhere
  for i, stage in ipairs(t.recipe.stages) do
    at.stage, at.step, at.stage_step, at.epoch = i, i, 0, 1
    t:enter()
    at.stage_step = 1
    step.run(t, stage, source.draw(t, stage))
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

local brief

-- A value with all that it holds.
local function show(value)
  if declare.is(value) then
    return brief(value)
  elseif not param.plain(value) then
    return param.show(value)
  end
  local names, shown = {}, {}
  for i, x in ipairs(value) do
    shown[i] = show(x)
  end
  for name in pairs(value) do
    names[#names + 1] = type(name) == "string" and name or nil
  end
  table.sort(names)
  for _, name in ipairs(names) do
    shown[#shown + 1] = ("%s = %s"):format(name, show(value[name]))
  end
  return #shown > 0 and "{ " .. table.concat(shown, ", ") .. " }" or "{}"
end

-- A combination of conditions as a recipe writes it: & binds before |.
local function condition(decl)
  local sides = { brief(decl.a), brief(decl.b) }
  for i, side in ipairs { decl.a, decl.b } do
    if decl.type == "both" and side.type == "either" then
      sides[i] = "(" .. sides[i] .. ")"
    end
  end
  return table.concat(sides, decl.type == "both" and " & " or " | ")
end

-- A declaration in short: its name, and the options that are not the default.
function brief(decl)
  if decl.kind == "when" and decl.a then
    return condition(decl)
  end
  local definition, names, shown = declare.definition(decl), {}, {}
  for name, spec in pairs(definition.params) do
    if decl[name] ~= nil and show(decl[name]) ~= show(spec.default) then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  for i, name in ipairs(names) do
    local value = show(decl[name])
    shown[i] = #(definition.positional or {}) > 0 and value or ("%s = %s"):format(name, value)
  end
  return #shown > 0 and ("%s(%s)"):format(decl.type, table.concat(shown, ", ")) or decl.type
end

-- Names of the tasks of a mask.
local function reached(tasks, mask)
  local list = {}
  for i, task in ipairs(tasks) do
    if mask & 1 << (i - 1) ~= 0 then
      list[#list + 1] = task.name
    end
  end
  return #list == #tasks and #tasks > 1 and "all" or table.concat(list, ", ")
end

local function print_layers(t)
  local rows = { { "layer", "type", "output", "parameters", "tasks" } }
  for _, layer in ipairs(t.model:layers()) do
    rows[#rows + 1] = { layer.path, layer.type, text.shape(layer.out), layer.parameters > 0
      and text.count(layer.parameters) or "", reached(t.tasks, layer.tasks) }
  end
  text.say(table.concat(text.table(rows, { [4] = true }), "\n"), "")
end

-- Parameters by the tasks that they serve.
local function print_totals(t)
  local shared, own, total = 0, {}, 0
  for _, p in ipairs(t.model:parameters()) do
    local n, mine = p.tensor:count(), false
    for i in ipairs(t.tasks) do
      if p.tasks == 1 << (i - 1) then
        own[i], mine = (own[i] or 0) + n, true
      end
    end
    shared, total = shared + (mine and 0 or n), total + n
  end
  local rows = { { "parameters", text.count(total) }, { "  shared", text.count(shared) } }
  for i, task in ipairs(t.tasks) do
    rows[#rows + 1] = { "  " .. task.name, text.count(own[i] or 0) }
  end
  text.say(table.concat(text.table(rows, { [2] = true }), "\n"), "")
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

return {
  name = "check",
  summary = "everything that can be wrong with a recipe, without training",
  usage = { "mtl check RECIPE [OPTIONS]" },
  arguments = { "RECIPE" },
  options = { open.options.set, open.options.seed, open.options.device, open.options.threads, open.options.data,
    open.options.memory, open.options.trust },
  run = function(options, rest)
    options.data = open.data_folder(options.data)
    open.confine(options)
    local recipe = open.recipe(rest[1], options)
    if options.threads or recipe.threads then
      core.threads(options.threads or recipe.threads)
    end
    local t = require "mtl.training".new(recipe, { seed = options.seed, device = options.device,
      data_dir = options.data })
    try_stages(t)
    try_splits(t)
    text.say(("recipe      %s (%s)"):format(text.clean(recipe.name), text.clean(rest[1])))
    print_data(t)
    text.say ""
    print_layers(t)
    print_totals(t)
    print_tasks(t)
    print_stages(t)
    text.say "Nothing is wrong."
  end,
}
