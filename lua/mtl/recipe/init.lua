--- mtl.recipe { ... }: checks a recipe and makes it the object that everything else works with. What it holds is said
-- at `new`; keys and their defaults stand in `keys` here, in tasks.lua and in stages.lua. Errors name the file, the
-- line, the key.
local check = require "mtl.recipe.check"
local declare = require "mtl.declare"
local nearest = require "mtl.nearest"
local override = require "mtl.recipe.override"
local param = require "mtl.param"
local place = require "mtl.place"
local stages = require "mtl.recipe.stages"
local tasks = require "mtl.recipe.tasks"

local recipe = {
  overrides = {}, -- { { path, value }, ... }: what --set says, for the next recipe that is made
  kept = false,   -- whether they are those of a run that was made
  file = nil,     -- the file of the next recipe, where the program knows it
}

local methods = {}
local meta = { __index = methods } -- apart from the methods, so that a recipe reaches neither

local keys = { -- and recipe.keys, for completion
  name = { type = "string" },
  seed = { default = 1, type = "count" },
  data = { type = "data" }, -- may be missing where every task has its own
  trunk = { type = "nn" },
  model = { type = "nn" },
  tasks = { required = true, type = "table" },
  optimizer = { required = true, type = "optim" },
  policy = { type = "policy" },
  stages = { type = "table" },
  ends = { type = "when" },
  only = { type = "string" }, -- a task, alone: see stages.lua
  flat = { default = false, type = "boolean" }, -- one stage of all tasks: see there
  kpi_momentum = { default = 0.9, type = "number", least = 0, below = 1 },
  clip = { type = "number", above = 0 },
  accumulate = { default = 1, type = "size" },
  select = { default = "last", choices = { "last", "valid" } },
  log_every = { default = 20, type = "size" },
  diagnose = { default = 0, type = "count" },
  device = { type = "string" },
  threads = { type = "size" },
}

recipe.keys = keys

local function schema_at(path, i)
  if i == 1 then
    return keys
  end
  return i == 3 and (path[1] == "tasks" and tasks.keys or path[1] == "stages" and stages.keys) or nil
end

-- Tables of its own; declarations stay what they are, so that stages that share one go on sharing it.
local function copy(t, depth)
  if not param.plain(t) then
    return t
  elseif depth > 20 then
    error("recipe: tables nested deeper than 20", 0)
  end
  local own = {}
  for key, value in pairs(t) do
    own[key] = copy(value, depth + 1)
  end
  return own
end

-- The place of the first declaration in a table: where the recipe was written, when a tail call hides it.
local function any_place(t, depth)
  if declare.is(t) then
    return declare.place(t)
  elseif not param.plain(t) or depth > 20 then
    return nil
  end
  local order = {}
  for key in pairs(t) do
    order[#order + 1] = key
  end
  table.sort(order, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(order) do
    local found = any_place(t[key], depth + 1)
    if found then
      return found
    end
  end
end

--- Makes a recipe. @return name, seed, data, kpi_momentum, clip, accumulate, select, log_every, diagnose, device,
-- threads; tasks: { name, index, head, loss, kpi, metrics, metric_names, target, data }; stages: { name, tasks (names),
-- index (places), mask, policy, ends, max_epochs, optimizer, freeze (list), reset_optimizer }; model_json; file; set
-- (what --set said); staged: whether it was written in stages, and is trained so
function recipe.new(t)
  local here = place.here()
  local sure = here and here.sure and here.source:sub(1, 1) == "@" and here
  local at = sure or any_place(t, 0)
  local source = recipe.file and "@" .. recipe.file or at and at.source
  local fail = check.fails(source, sure and sure.source == source and sure.line or nil)
  if not param.plain(t) then
    fail("mtl.recipe: it takes a table: mtl.recipe { data = ..., trunk = ..., tasks = { ... } }")
  end
  local r = copy(t, 0)
  r.optimizer = r.optimizer or require "mtl.optim".adam() -- so that --set can change it
  override.apply(r, recipe.overrides, schema_at)
  check.keys(r, keys, "recipe", fail)
  r.set, r.kept = recipe.overrides, recipe.kept
  if (r.trunk == nil) == (r.model == nil) then
    fail(r.trunk and "recipe: trunk and model exclude one another" or "recipe: trunk is missing; it should be a layer "
      .. "that all tasks share, as nn.sequential { ... } (or model, an nn.graph)", r.model)
  end
  local by_name = tasks.read(r, fail)
  stages.read(r, by_name, fail)
  r.model_json = require "mtl.recipe.model"(r, by_name, fail)
  r.file = source and source:match "^@(.+)$"
  stages.check_soft(r, fail)
  r.name = r.name or (r.file or "recipe"):match("([^/]*)$"):gsub("%.lua$", ""):gsub("[^%w_%-%.]", "-")
  if not r.name:find "^[%w_][%w_%-%.]*$" then -- it names the run's folder
    fail(("recipe: name is '%s', which should be letters, digits, '_', '-' and '.'"):format(r.name), "name")
  end
  return setmetatable(r, meta)
end

--- Checks an opened data set and a frozen model against the tasks: targets, shapes of heads, splits that are read.
-- @param index tasks whose data this set is, by their place
function methods:check_fit(set, model, index)
  local function fail(message, what)
    check.fails(self.file and "@" .. self.file)(message, what)
  end
  for _, i in ipairs(index) do
    local task = self.tasks[i]
    local target = set.targets[task.target]
    if not target then
      fail(("task '%s': %s"):format(task.name, nearest.unknown("target", task.target, set.targets)), task.name)
    end
    local out = model:output_shape(task.index)
    for _, part in ipairs { task.loss, task.kpi, table.unpack(task.metrics) } do
      local wrong = part:fits(out, target)
      if wrong then
        fail(("task '%s': %s"):format(task.name, wrong), task.head or part)
      end
    end
  end
  for _, stage in ipairs(self.stages) do
    if #stage.ends:reads() > 0 and not set.rows.valid then
      fail(("stage '%s': ends reads the validation KPI, but the data have no split 'valid'"):format(stage.name),
        stage.ends)
    end
  end
  if self.select == "valid" and not set.rows.valid then
    fail("select = \"valid\", but the data have no split 'valid'", "select")
  end
end

--- Checks what the stages freeze of a frozen model.
function methods:check_freeze(model)
  stages.check_freeze(self, model, check.fails(self.file and "@" .. self.file))
end

--- Trains it: recipe:run { out =, seed =, device = } -> run (see run.lua).
function methods:run(options)
  return require "mtl.run".start(self, options)
end

function meta:__tostring()
  return ("recipe '%s': %d tasks, %d stages"):format(self.name, #self.tasks, #self.stages)
end

return recipe
