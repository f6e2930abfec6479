--- The families of declarations that have a page each in the manual, and what is peculiar to their pages. For
-- scripts/manual.lua.
local declare = require "mtl.declare"
local mtl = require "mtl"
local prose = require "prose"
local signature = require("mtl.cli.manual").signature

-- What weights() looks at in its context, so that no page says otherwise.
local function needs(page, policy)
  if page.needs ~= "" then
    return page.needs
  end
  local read = { losses = policy.positive or declare.definition(policy).total ~= nil }
  local seen = { losses = { 1, 1 }, kpis_ema = { 0.5, 0.5 }, gram = { { 1, 0 }, { 0, 1 } } }
  if policy.needs == "loss" then
    policy:new():weights(setmetatable({ tasks = { "left", "right" } }, { __index = function(_, key)
      read[key] = true
      return seen[key]
    end }))
  end
  local list = { policy.needs ~= "loss" and (policy.needs == "rows" and "gradients (rows)" or "gradients") or nil }
  list[#list + 1] = (read.kpis_ema or read.kpis) and "KPIs" or nil
  list[#list + 1] = read.losses and (policy.positive and "losses ≥ 0" or "losses") or nil
  list[#list + 1] = policy.wants_after and "a second forward pass" or nil
  return #list > 0 and table.concat(list, ", ") or "nothing"
end

-- What the recipe may not have beside a policy, and what its tasks must.
local function limits_of(policy)
  local list, excludes = {}, mtl.policy.excludes(policy)
  local function add(on, text)
    list[#list + 1] = on and text or nil
  end
  add(policy.positive, "losses that may be below 0")
  add(policy.soft, "KPIs without a soft form")
  add(policy.at == "representation", "tasks that do not all read one and the same tensor")
  add(policy.at == "last_shared", "a model without a layer that all tasks share")
  add(policy.at == "shared" and policy.needs ~= "loss", "tasks that share no parameters")
  add(excludes.accumulate, "`accumulate`")
  add(excludes.diagnose, "`diagnose`")
  add(excludes.data, "a data set for each task")
  return list
end

-- What more a policy is refused with where an option has another value.
local function more_limits(made, base, option, value)
  local known, more = {}, {}
  for _, limit in ipairs(base) do
    known[limit] = true
  end
  for _, limit in ipairs(limits_of(declare.with(made, option, value) or made)) do
    more[#more + 1] = not known[limit] and limit or nil
  end
  return #more > 0 and table.concat(more, "; ") or nil
end

local function limits(_, made)
  local base, params = limits_of(made), declare.definition(made).params
  local lines = { #base > 0 and prose.sentence(table.concat(base, "; ")) or "It goes with everything." }
  for _, option in ipairs(require "mtl.arguments".keys(declare.definition(made))) do
    local spec, values, texts = params[option], {}, {}
    for _, value in ipairs(spec.choices or { spec.type == "boolean" and not made[option] or nil }) do
      local text = more_limits(made, base, option, value)
      if text then
        texts[#texts + 1] = not values[text] and text or nil
        values[text] = (values[text] and values[text] .. " or " or "")
          .. ("`%s`"):format(type(value) == "string" and '"' .. value .. '"' or value)
      end
    end
    for _, text in ipairs(texts) do
      lines[#lines + 1] = prose.sentence(("with `%s` = %s also %s"):format(option, values[text], text))
    end
  end
  return table.concat(lines, "\n\n")
end

local heads = { unit = "Each head gets its own task's gradient.",
  weighted = "Each head gets its own task's gradient times the task's weight." }

-- An example of a policy is a call of its `weights`.
local function weights_by_hand(page)
  if not page.usage:find "weights {" then
    return ""
  end
  local weights = assert(load("local policy, mtl = ... return " .. page.usage))(mtl.policy, mtl)
  local formats = ("%.6g, "):rep(#weights):sub(1, -3)
  return prose.run(([[
local policy = require("mtl").policy
local w = %s
print(("%s"):format(table.unpack(w)))]]):format(page.usage, formats))
end

-- One of the others is a prediction and a target.
local function example(page, call, code)
  local name = page.family
  return prose.run(("local mtl = require \"mtl\"\nlocal %s = mtl.%s\nlocal pred, target = %s\n%s"):format(name, name,
    page.sample:gsub("%s*\n%s*", " "), code:format(call)))
end

local function metered(page, call)
  return example(page, call, [[
local meter = %s:new()
meter:update(pred, target)
print(("%%.6g"):format(meter:value()))]])
end

local function computed(page, call)
  return example(page, call, [[
local value = %s:new():compute(pred, target)
print(("%%.6g"):format(value:item()))]])
end

-- One of a layer is the shape of a sample, and what a batch of two of them becomes.
local function shaped(page, call)
  if page.name == "graph" then
    return prose.run(([[
local mtl = require "mtl"
local nn = mtl.nn
local model = %s
local out = model(mtl.zeros(2, %s))
print(table.concat(out.left:shape(), " x ") .. ", " .. table.concat(out.right:shape(), " x "))]]):format(call,
      page.sample))
  end
  return page.sample == "" and "" or prose.run(([[
local mtl = require "mtl"
local nn = mtl.nn
local layer = %s
print(table.concat(layer(mtl.zeros(2, %s)):shape(), " x "))]]):format(call, page.sample))
end

local function soft_form(page, made)
  local has = made.soft ~= nil
  if has ~= (page.soft ~= "") and page.name ~= "custom" then
    prose.fail(page, has and "its comment has no @soft" or "its comment has a @soft, but it has no soft form")
  end
  return has and prose.sentence(page.soft) or page.soft ~= "" and prose.sentence(page.soft)
    or "None: `through_kpi` of policy.focal cannot be used with it."
end

local function scale(page)
  return prose.sentence(page.scale)
end

local function when(page)
  return prose.sentence("when " .. page.when)
end

local forms = { classification = "a loss of classes", squared = "a squared error", absolute = "an absolute error" }

-- What each family's pages say: what their comments must have, how a recipe names one, an example, the sections after
-- formula and defaults, and the index with its columns between summary and paper.
return {
  policy = { folder = "policies", must = { "formula", "scale", "when" }, papers = true,
    by_hand = weights_by_hand,
    place = function(page, made, call)
      return ("In a recipe or a stage: `policy = %s`. It needs: %s."):format(call, needs(page, made))
        .. (made.needs == "loss" and "" or " " .. heads[made.heads])
    end,
    sections = { { "Scale of the step", scale }, { "Refused with", limits }, { "When to use it", when } },
    column = needs, index = [[
# Policies

How much each task weighs in a step. A recipe names one by `policy = policy.NAME { options }`, for all its stages or for
one; [recipe.md](../recipe.md#policies) has them side by side. In the formulas T is the number of the step's tasks, L
their losses, g their gradients over the shared parameters, G the Gramian of these, w the weights; d is the direction
that the shared parameters get for their gradient, Σ w g where nothing else is said.

The scale of the step is that of a sum of T gradients for some, that of a mean for others: under SGD the same learning
rate is then T times as large. Adam does not mind.

| policy | | needs | paper |
|---|---|---|---|
]] },
  kpi = { folder = "kpis", must = { "formula", "when", "sample" }, papers = true,
    by_hand = metered,
    place = function(_, _, call)
      return ("In a task: `kpi = %s`, or among its `metrics`."):format(call)
    end,
    sections = { { "Soft form", soft_form }, { "When to use it", when } },
    column = function(_, made) return made.soft and "yes" or "no" end, index = [[
# KPIs

One score a task, in [0, 1], higher is better, exact over all of a split: policies read it, and conditions of stages
(`when.kpi`). A task names its own by `kpi = kpi.NAME { options }`. In the formulas x is what the head gives (logits), y
the target; sums run over the elements that have a label. Targets that are NaN, or below 0 for a class, have none. The
soft form is differentiable, of one batch: what `policy.focal { through_kpi = true }` works on.

| KPI | | soft form | paper |
|---|---|---|---|
]] },
  loss = { folder = "losses", must = { "formula", "when", "sample" }, papers = true,
    by_hand = computed,
    place = function(_, made, call)
      return ("In a task: `loss = %s`. To `policy.uncertainty` it is %s. %s"):format(call, forms[made.form],
        made.negative and "It may be below 0, so policies that need positive losses refuse it."
        or "It is never below 0" .. (declare.definition(made).params.negative and " unless told." or
          declare.definition(made).params.learn and " unless `learn` is true." or "."))
    end,
    sections = { { "When to use it", when } },
    column = function(_, made) return made.form end, index = [[
# Losses

What is minimised for a task, named by `loss = loss.NAME { options }`. In the formulas x is what the head gives (logits:
the losses apply softmax or sigmoid themselves), y the target; means are over the elements that have a label. Targets
that are NaN, or -1 for a class, have none. The form is what `policy.uncertainty` takes a loss for.

| loss | | form | paper |
|---|---|---|---|
]] },
  metric = { folder = "metrics", must = { "formula", "when", "sample" }, papers = true,
    by_hand = metered,
    place = function(_, _, call)
      return ("In a task: `metrics = { %s }`."):format(call)
    end,
    sections = { { "When to use it", when } },
    column = function(_, made) return made.higher and "higher" or "lower" end, index = [[
# Metrics

Figures beside a task's KPI, most in the target's own units, that policies do not read: `metrics = { metric.NAME() }`.
Any [KPI](../kpis/README.md) may stand among them too. In the formulas x is what the head gives, y the target; sums run
over the elements that have a label, of a whole split.

| metric | | better is | paper |
|---|---|---|---|
]] },
  nn = { folder = "layers", must = { "when" }, by_hand = shaped,
    place = function(page, _, call)
      return (page.name == "graph" and "In a recipe: `model = %s`." or "In a model: `%s`."):format(call)
    end,
    sections = { { "When to use it", when } },
    column = function(_, made) return "`" .. signature(declare.definition(made)) .. "`" end, index = [[
# Layers

What models are made of: `nn.NAME(...)`, the positional options in order, then a table of the others. Shapes are those
of a sample, without the batch. Names, defaults and initial values are PyTorch's, and so are the names of parameters; a
width that is nil is inferred. [recipe.md](../recipe.md#layers) has them side by side.

| layer | | called |
|---|---|---|
]] },
}
