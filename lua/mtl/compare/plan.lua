--- What a comparison runs. plan.json holds it: recipe, tasks { name, metrics { name, higher } }, seeds, tune { settings
-- { name, set }, seeds }, and rows { name, kind ("single", "uniform", "fixed", "policy"), units }. A unit { id, set,
-- task } is what is trained for a row with each seed; a row of single tasks has one for each task, any other has one.
-- Rows of `all` that the recipe cannot serve are in refused { name, reason }. What is asked: see question.lua.
local core = require "mtl.core"
local open = require "mtl.cli.open"
local path = require "mtl.path"
local question = require "mtl.compare.question"
local rows = require "mtl.compare.rows"
local setup = require "mtl.setup"

local plan = {}
local append = rows.append

local TUNING_SEEDS = 1000 -- tuning runs have the seeds after this one

-- Names of folders: letters, digits and a few signs, no two the same.
local function namer()
  local taken = {}
  return function(text)
    local id = text:gsub("[^%w_%.=,]+", "-"):gsub("^[%.%-]+", ""):gsub("%-+$", ""):sub(1, 80)
    local free, i = id, 1
    while taken[free] do
      i = i + 1
      free = ("%s-%d"):format(id, i)
    end
    taken[free] = true
    return free
  end
end

local function metrics_of(task)
  local list = {}
  for i, metric in ipairs(task.metrics) do
    list[i] = { name = task.metric_names[i], higher = metric.higher and true or false }
  end
  return core.array(list)
end

local function count_up(from, n)
  local list = {}
  for i = 1, n do
    list[i] = from + i
  end
  return list
end

-- Every unit's recipe is made once, so that what is wrong shows before anything runs. A row of `all` that the recipe
-- cannot serve is left out, and named.
local function check(p, file, options)
  local kept = {}
  for _, row in ipairs(p.rows) do
    local fits = true
    for _, unit in ipairs(row.units) do
      local set = append(p.set, unit.set, p.tune and p.tune.settings[1].set or {})
      local ok, message = pcall(function()
        setup.refuse_policies((open.recipe(file, { set = set, trust = options.trust, data = options.data })))
      end)
      if not ok and row.optional then
        fits = false
        p.refused[#p.refused + 1] = { name = row.name, reason = rows.reason(message) }
      elseif not ok then
        error(("row '%s': %s"):format(row.name, tostring(message)), 0)
      end
    end
    row.optional = nil
    kept[#kept + 1] = fits and row or nil
  end
  p.rows = kept
end

--- Makes the plan of a comparison. @param options of the command
-- @return plan, the recipe's files
function plan.new(file, options)
  local recipe, files = open.recipe(file, { set = options.set, trust = options.trust, data = options.data })
  if #recipe.tasks < 2 then
    error("compare: the recipe has one task; there is nothing to weigh", 0)
  end
  local places, id, names = rows.places(recipe), namer(), {}
  if #places == 0 then
    error("compare: no stage of the recipe has two or more tasks; there is nothing to weigh", 0)
  end
  local p = { format = 1, recipe = recipe.name, rows = {}, tasks = {}, set = core.array(append(options.set or {})),
    seeds = count_up(0, options.seeds or 5), select = recipe.select, refused = core.array {},
    version = core.VERSION }
  local function add(name, kind, set, units, optional)
    if names[name] then
      error(("compare: '%s' is asked for twice"):format(name), 0)
    end
    names[name] = true
    p.rows[#p.rows + 1] = { name = name, kind = kind, optional = optional,
      units = units or { { id = id(name), set = core.array(set) } } }
  end
  local singles = {}
  for i, task in ipairs(recipe.tasks) do
    p.tasks[i] = { name = task.name, kpi = task.kpi.type, metrics = metrics_of(task) }
    singles[i] = { id = id("single-" .. task.name), task = task.name, set = { { "only", task.name } } }
  end
  add("single task", "single", nil, singles)
  add("uniform", "uniform", rows.policy_set(places, "uniform"))
  if not options.no_fixed then
    rows.fixed(add, recipe, places)
  end
  rows.policies(add, options, recipe, places, p.refused)
  if options.tune then
    p.tune = { settings = rows.settings(recipe, options.tune), seeds = count_up(TUNING_SEEDS, options.tune_seeds or 1) }
  end
  p.timing = recipe.staged and {} or core.null
  for i in ipairs(recipe.staged and recipe.stages or {}) do
    p.timing[i] = { ("stages.%d.max_epochs"):format(i), "1" }
  end
  check(p, file, options)
  question.add(p, options)
  return p, files
end

--- A run of the plan: its name, settings and seed. @param setting of the tuning, or nil; final: the setting is the one
-- that was chosen
function plan.run(p, unit, seed, setting, final)
  local id = setting and not final and ("%s-%s-%d"):format(unit.id, setting.name:gsub("[^%w_%.=,]+", "-"), seed)
    or ("%s-%d"):format(unit.id, seed)
  return { id = id, seed = seed, unit = unit, set = append(p.set, unit.set, setting and setting.set or {}) }
end

--- How many runs a plan is, and of what, as a line.
function plan.describe(p)
  local count, runs, parts = { single = 0, uniform = 0, fixed = 0, policy = 0 }, 0, {}
  for _, row in ipairs(p.rows) do
    count[row.kind], runs = count[row.kind] + #row.units, runs + #row.units
  end
  local function part(n, one, several)
    parts[#parts + 1] = n > 0 and (n == 1 and one or several):format(n) or nil
  end
  part(count.single, "%d single task", "%d single tasks")
  parts[#parts + 1] = "uniform"
  part(count.fixed, "%d of fixed weights", "%d of fixed weights (--no-fixed leaves them out)")
  part(count.policy, "%d policy", "%d policies")
  local line = ("%d runs: %s; %d seed%s each"):format(runs * #p.seeds, table.concat(parts, ", "), #p.seeds,
    #p.seeds == 1 and "" or "s")
  return p.tune and ("%s; and %d to tune them first"):format(line, runs * #p.tune.settings * #p.tune.seeds) or line
end

--- The plan that stands in a folder.
function plan.read(dir)
  local name = path.join(dir, "plan.json")
  local file <close> = io.open(name, "rb")
  if not file then
    error(("'%s' is not a comparison: it has no plan.json"):format(dir), 0)
  end
  local ok, p = pcall(core.json_decode, file:read "a")
  if not ok or type(p) ~= "table" or p.format ~= 1 or type(p.rows) ~= "table" or type(p.seeds) ~= "table" then
    error(("%s is damaged, or of another version of mtl"):format(name), 0)
  end
  return p
end

return plan
