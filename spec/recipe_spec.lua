-- Recipes: defaults, --set, and one clear message, with the line, for everything that can be wrong.
local core = require "mtl.core"
local mtl = require "mtl"
local recipes = require "mtl.recipe"

local text = [[
local mtl = require "mtl"
local nn, loss, kpi, policy, optim, when = mtl.nn, mtl.loss, mtl.kpi, mtl.policy, mtl.optim, mtl.when
return mtl.recipe {
  name = "two",
  data = mtl.data.tensors { inputs = mtl.zeros(20, 4),
    targets = { left = mtl.zeros(20, "int32"), right = mtl.zeros(20) } },
  trunk = nn.sequential { nn.linear(nil, 8), nn.relu() },
  tasks = {
    { name = "left", head = nn.linear(8, 3), loss = loss.cross_entropy() },
    { name = "right", head = nn.linear(8, 1), loss = loss.mse(), kpi = kpi.r2() },
  },
  optimizer = optim.adam { lr = 1e-3 },
  stages = {
    { name = "first", tasks = { "left" }, ends = when.epochs(1) },
    { name = "both", policy = policy.focal { normalize = true }, ends = when.epochs(2) },
  },
}
]]

local file = os.tmpname()

-- Loads the recipe with `from` replaced by `to`, and --set options.
local function load_recipe(from, to, overrides)
  local changed = text
  if from then
    local first, last = text:find(from, 1, true)
    assert(first, from)
    changed = text:sub(1, first - 1) .. to .. text:sub(last + 1)
  end
  local f = assert(io.open(file, "w"))
  f:write(changed)
  f:close()
  recipes.overrides = overrides or {}
  local ok, r = pcall(dofile, file)
  recipes.overrides = {}
  return ok, r
end

local function good(...)
  local ok, r = load_recipe(...)
  assert(ok, r)
  return r
end

-- The message, with the line that it names.
local function wrong(from, to, overrides)
  local ok, e = load_recipe(from, to, overrides)
  assert.is_false(ok)
  assert.is_string(e)
  return e:gsub("^" .. file:gsub("%p", "%%%0"), "FILE"), nil
end

describe("mtl.recipe", function()
  teardown(function()
    os.remove(file)
  end)

  it("normalises tasks and stages", function()
    local r = good()
    assert.equal("two", r.name)
    assert.equal(file, r.file)
    assert.equal(1, r.seed)
    assert.equal(0.9, r.kpi_momentum)
    assert.equal("last", r.select)
    assert.equal("accuracy", r.tasks[1].kpi.type)
    assert.equal("right", r.tasks[2].target)
    assert.same({ 1 }, r.stages[1].index)
    assert.same({ 1, 2 }, r.stages[2].index)
    assert.same({ "left", "right" }, r.stages[2].tasks)
    assert.equal(1, r.stages[1].mask)
    assert.equal(3, r.stages[2].mask)
    assert.equal("uniform", r.stages[1].policy.type)
    assert.equal("focal", r.stages[2].policy.type)
    assert.equal(r.stages[1].optimizer, r.stages[2].optimizer)
    assert.is_false(r.stages[1].reset_optimizer)
    local model = core.model(r.model_json)
    assert.same({ "left", "right" }, model:outputs())
    model:freeze { seed = 1, inputs = { { 4 } } }
    local names = {}
    for _, p in ipairs(model:parameters()) do
      names[p.name] = true
    end
    assert.is_true(names["trunk.0.weight"] and names["heads.left.bias"])
  end)

  it("makes one stage where there are none, with the recipe's policy", function()
    local first = text:find("stages = {", 1, true)
    local r = good(text:sub(first, -4), "policy = policy.fixed { left = 1, right = 2 }, ends = when.steps(5),")
    assert.equal(1, #r.stages)
    assert.equal("fixed", r.stages[1].policy.type)
    assert.equal(5, r.stages[1].ends:length(100))
    r = good('stages = {', 'policy = policy.uncertainty(), stages = {')
    assert.equal("uniform", r.stages[1].policy.type) -- one task
    r = good('policy = policy.focal { normalize = true }, ', 'policy = policy.uncertainty(), ')
    assert.same({ left = "classification", right = "squared" }, r.stages[2].policy.found)
  end)

  it("takes a graph as its model", function()
    local r = good('trunk = nn.sequential { nn.linear(nil, 8), nn.relu() },\n  tasks = {\n    { name = "left", head = '
      .. 'nn.linear(8, 3), loss = loss.cross_entropy() },\n    { name = "right", head = nn.linear(8, 1),',
      'model = nn.graph { nodes = { { "a", nn.linear(nil, 3) }, { "b", nn.linear(nil, 1), from = "input" } },'
      .. ' outputs = { left = "a", right = "b" } },\n  tasks = { { name = "left", loss = loss.cross_entropy() },'
      .. '{ name = "right",')
    assert.same({ "left", "right" }, core.model(r.model_json):outputs())
  end)

  it("gives the loss's ignore to the KPI", function()
    assert.equal(255, good("cross_entropy()", "cross_entropy { ignore = 255 }").tasks[1].kpi.ignore)
  end)
end)

describe("--set", function()
  it("changes options of declarations", function()
    local r = good(nil, nil, { { "stages.2.policy.gamma", "1" }, { "stages.both.ends.n", "7" }, { "data.batch", "64" },
      { "tasks.left.loss.smoothing", "0.1" }, { "seed", "5" }, { "clip", "1.5" }, { "trunk.1.out_features", "9" },
      { "stages.2.policy.gamma", "{ left = 1, right = 3 }" }, { "name", "12" } })
    assert.same({ left = 1, right = 3 }, r.stages[2].policy.gamma)
    assert.equal(7, r.stages[2].ends.n)
    assert.equal(64, r.data.batch)
    assert.equal(0.1, r.tasks[1].loss.smoothing)
    assert.equal(5, r.seed)
    assert.equal(1.5, r.clip)
    assert.equal("12", r.name)
    assert.matches('"out_features":9', r.model_json, 1, true)
  end)

  it("replaces declarations by name", function()
    local r = good(nil, nil, { { "optimizer", "sgd" }, { "optimizer.schedule", "cosine" },
      { "optimizer.schedule.warmup", "10" }, { "tasks.left.kpi", "f1" }, { "stages.2.policy", "uniform" } })
    assert.equal("sgd", r.optimizer.type)
    assert.equal(10, r.optimizer.schedule.warmup)
    assert.equal("f1", r.tasks[1].kpi.type)
    assert.equal("uniform", r.stages[2].policy.type)
  end)

  it("leaves other stages that share a declaration alone", function()
    local first = text:find("stages = {", 1, true)
    local shared = "policy = policy.focal(), stages = { { name = 'a', ends = when.epochs(1) }, "
      .. "{ name = 'b', ends = when.epochs(1) } },"
    local r = good(text:sub(first, -4), shared)
    assert.equal(r.stages[1].policy, r.stages[2].policy) -- and so its state
    r = good(text:sub(first, -4), shared, { { "policy.gamma", "1" }, { "stages.b.policy", "focal" } })
    assert.equal(1, r.stages[1].policy.gamma)
    assert.equal(2, r.stages[2].policy.gamma)
  end)

  it("says what is wrong", function()
    local function set(path, value)
      return (wrong(nil, nil, { { path, value } }))
    end
    assert.matches("^%-%-set stages.3.ends=1: 'stages' has no '3'; there are both, first", set("stages.3.ends", "1"))
    assert.matches("did you mean 'gamma'", set("stages.2.policy.gama", "1"))
    assert.matches("gamma is %-1", set("stages.2.policy.gamma", "-1"))
    assert.matches("did you mean 'left'", set("tasks.lft.target", "x"))
    assert.matches("there is no policy 'focl'; did you mean 'focal'", set("stages.2.policy", "focl"))
    assert.matches("seed is 'x'", set("seed", "x"))
    assert.matches("did you mean 'clip'", set("cilp", "1"))
    assert.matches("sets no 'seed', so 'x' of it", set("seed.x", "1"))
    assert.matches("%-%-set policy=mgda would change nothing: stages have policies of their own; "
      .. "%-%-set stages.2.policy=mgda changes that of stage 'both'", set("policy", "mgda"))
    assert.matches("'name' is 'two', which has no parts", set("name.x", "1"))
  end)
end)

describe("a recipe that is wrong", function()
  local cases = {
    { '{ name = "right"', 'right = { name = "right"', "FILE:10: tasks is a list, so 'right = ...' has no place in it" },
    { '{ name = "both"', 'both = { name = "both"', "stages is a list, so 'both = ...' has no place in it" },
    { "kpi = kpi.r2()", "kpi = kpi.r2(), metrics = { rmse = mtl.metric.rmse() }",
      "task 'right': metrics is a list, so 'rmse = ...' has no place in it" },
    { 'name = "two"', 'name = "../two"', "FILE:4: recipe: name is '../two', which should be letters" },
    { 'name = "two"', 'nmae = "two"', "FILE:4: recipe: unknown key 'nmae'; did you mean 'name'?" },
    { 'name = "right", head', 'name = "left", head', "tasks 1 and 2 are both named 'left'" },
    { ", loss = loss.mse()", "", "FILE:10: task 'right': loss is missing; it should be a loss" },
    { "loss.mse(), kpi = kpi.r2()", "loss.mse()", "FILE:10: task 'right': kpi is missing; with loss.mse it may be" },
    { "kpi.r2()", "kpi.r22()", "FILE:10: there is no kpi 'r22'; did you mean 'r2'?" },
    { "policy.focal", "policy.focl", "FILE:15: there is no policy 'focl'; did you mean 'focal'?" },
    { "head = nn.linear(8, 3), ", "", "FILE:9: task 'left': head is missing" },
    { "head = nn.linear(8, 3)", "haed = nn.linear(8, 3)",
      "FILE:9: task 'left': unknown key 'haed'; did you mean 'head'?" },
    { 'tasks = { "left" }', 'tasks = { "lft" }',
      "FILE:14: stage 'first': there is no task 'lft'; did you mean 'left'?" },
    { 'tasks = { "left" }', 'tasks = { "left", "left" }', "stage 'first': tasks has 'left' twice" },
    { "when.epochs(1)", 'when.kpi("left", 0.9)', "FILE:14: stage 'first' may never end" },
    { "when.epochs(1)", 'when.kpi("right", 0.9) | when.epochs(3)',
      "reads the KPI of task 'right', which it does not train" },
    { "when.epochs(1)", 'when.kpi("lefty", 0.9) | when.epochs(3)', "there is no task 'lefty'; did you mean 'left'?" },
    { ", ends = when.epochs(1)", "", "FILE:14: stage 'first': ends is missing" },
    { "ends = when.epochs(1)", "epochs = 1", "FILE:14: stage 'first': unknown key 'epochs'" },
    { 'name = "first"', 'name = "both"', "stages 1 and 2 are both named 'both'" },
    { "lr = 1e-3", "lr = -1", "FILE:12: optim.adam: lr is -1, which should be a number of at least 0" },
    { "optim.adam { lr = 1e-3 }", '"adam"', "FILE:12: recipe: optimizer is 'adam', which should be an optimizer" },
    { "normalize = true", "gamma = -2", "FILE:15: policy.focal: gamma is -2" },
    { "policy.focal { normalize = true }", "policy.fixed { lft = 2, right = 1 }",
      "policy.fixed: there is no task 'lft'; did you mean 'left'?" },
    { "normalize = true", "gamma = { lft = 2 }", "gamma: there is no task 'lft'; did you mean 'left'?" },
    { "normalize = true", "through_kpi = true, gamma = 1", nil },
    { "focal { normalize = true }", "fixed { left = 1 }", "policy.fixed has no weight for task 'right'" },
    { "nn.linear(8, 3)", "nn.linear(8, -3)", "FILE:9: nn.linear: out_features is -3" },
    { "nn.linear(8, 3)", "nn.linear(8, 1e300)", "FILE:9: nn.linear: out_features is 1e+300" },
    { "trunk = ", "trnk = ", "FILE:7: recipe: unknown key 'trnk'; did you mean 'trunk'?" },
    { "trunk = nn.sequential { nn.linear(nil, 8), nn.relu() },", "", "recipe: trunk is missing" },
    { "nn.relu()", "nn.relu", "FILE:7: nn.sequential: layer 2 is the constructor nn.relu; call it: nn.relu()" },
    { 'name = "left"', 'name = "le.ft"', "name should be letters" },
    { "kpi = kpi.r2()", "kpi = loss.mse()", "FILE:10: task 'right': kpi is loss.mse(), which should be a KPI" },
    { "kpi = kpi.r2()", "kpi = kpi.r2(), metrics = { mtl.metric.rmse(), mtl.metric.rmse() }", "has 'rmse' twice" },
    { "stages = {", "ends = when.epochs(1), stages = {", "a recipe with stages gives `ends` to each of them" },
  }
  for i, case in ipairs(cases) do
    it(("gets one clear message (%d: %s)"):format(i, case[2]:sub(1, 40)), function()
      if case[3] then
        assert.matches(case[3], (wrong(case[1], case[2])), 1, true)
      else
        good(case[1], case[2])
      end
    end)
  end

  it("is no table", function()
    assert.has_error(function() mtl.recipe() end)
    assert.has_error(function() mtl.recipe "x" end)
    local endless = {}
    endless.tasks = endless
    local ok, e = pcall(mtl.recipe, endless)
    assert.is_false(ok)
    assert.matches("nested deeper", e)
  end)
end)

describe("check_fit", function()
  local targets = { left = { kind = "class", classes = 3 }, right = { kind = "number", shape = {} } }

  local function fit(r, of, rows)
    local model = core.model(r.model_json)
    model:freeze { seed = 1, inputs = { { 4 } } }
    return pcall(r.check_fit, r, { targets = of or targets, rows = rows or { train = 1, valid = 1 } }, model,
      { 1, 2 })
  end

  it("checks heads against losses and targets", function()
    assert.is_true(fit(good()))
    local ok, e = fit(good("nn.linear(8, 3)", "nn.linear(8, 4)"))
    assert.is_false(ok)
    assert.matches(":9: task 'left': the head gives [4] for each example, but the target has 3 classes", e, 1, true)
    ok, e = fit(good(), { left = targets.left })
    assert.is_false(ok)
    assert.matches("there is no target 'right'", e)
    ok, e = fit(good(), { left = targets.right, right = targets.right })
    assert.is_false(ok)
    assert.matches("wants a class, but the target is a number", e)
  end)

  it("checks the splits that are read", function()
    local ok, e = fit(good('name = "two"', 'select = "valid"'), nil, { train = 1 })
    assert.is_false(ok)
    assert.matches("no split 'valid'", e)
    ok, e = fit(good("when.epochs(1)", 'when.kpi("left", 0.9) | when.epochs(1)'), nil, { train = 1 })
    assert.is_false(ok)
    assert.matches(":14: stage 'first': ends reads the validation KPI", e)
  end)
end)

describe("mtl", function()
  it("has the core's tensors, and says what it lacks", function()
    assert.same({ 1, 2 }, mtl.tensor({ 1, 2 }):totable())
    assert.is_nil(rawget(mtl, "remove"))
    local ok, e = pcall(function() return mtl.polcy end)
    assert.is_false(ok)
    assert.matches("did you mean 'policy'", e)
    assert.has_error(function() return mtl.file_write end)
  end)
end)
