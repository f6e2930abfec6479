--- The text of a new recipe, with comments on what a newcomer will change.
local text = require "mtl.cli.text"

local starter = {}

local STEPS, LEAST = 1500, 20 -- steps that small data want, and epochs

local function quoted(s)
  return (("%q"):format(s):gsub("\\\n", "\\n"))
end

local function key(name)
  return name:find "^[%a_][%w_]*$" and name or "[" .. quoted(name) .. "]"
end

-- "a", "b", ... on lines of at most 110 columns.
local function list(items, indent)
  local lines, line = {}, ""
  for i, item in ipairs(items) do
    local part = item .. (i < #items and ", " or "")
    if line ~= "" and #indent + #line + #part > 110 then
      lines[#lines + 1] = line:gsub("%s+$", "")
      line = ""
    end
    line = line .. part
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n" .. indent)
end

-- Targets that stand in columns. @param s targets ({ name =, column =, classes =, normalize =, log = })
local function targets_of(s)
  local lines, log = {}, false
  for i, t in ipairs(s.targets) do
    log = log or t.log
    lines[i] = ("      %s = { column = %s%s%s%s },"):format(key(t.name), quoted(t.column),
      t.classes and ", classes = true" or "", t.log and ", log = true" or "",
      t.normalize and ", normalize = true" or "")
  end
  return ([[
    -- What to learn. classes: the values are classes (text is anyway). normalize: learn z-scores, show own units.
%s    targets = {
%s
    },
]]):format(log and "    -- log: learn the logarithm, of values above 0 that have a long tail, as prices.\n" or "",
    table.concat(lines, "\n"))
end

-- How the table is written, where it is not the usual way.
local function how_of(s)
  local said = ""
  for _, option in ipairs { "separator", "decimal", "missing" } do
    local value = s.how[option]
    said = said .. (value and (" %s = %s,"):format(option, value == "\t" and '"\\t"' or quoted(value)) or "")
  end
  return said
end

-- Columns that nothing is learned from, a comment each.
local function left_out(s)
  local lines = ""
  for _, d in ipairs(s.dropped) do
    lines = lines .. ("\n    -- left out: %s (%s)"):format(text.clean(d.column), text.clean(d.why))
  end
  return lines
end

--- The data of a table.
-- @param s path, how (separator, decimal, missing: nil is the usual), inputs (names), targets, dropped ({ column =,
-- why = }), batch
function starter.csv(s)
  local inputs = {}
  for i, name in ipairs(s.inputs) do
    inputs[i] = quoted(name)
  end
  return ([[
  -- The table: a header line, then a row an example. Numbers are normalised, text becomes one feature a value.
  data = mtl.data.csv {
    path = %s,%s
    inputs = { %s },%s
%s    split = { 0.8, 0.1, 0.1 }, -- train, valid, test
    batch = %d,                -- rows a step
  },
]]):format(quoted(s.path), how_of(s), list(inputs, "      "), left_out(s), targets_of(s), s.batch)
end

--- The data of a folder of images.
-- @param s dir, labels (a file, or nil), with how, file (its column of names), targets, dropped; resize ({ height,
-- width }, or nil); batch
function starter.images(s)
  local labels = "    -- Each folder below dir is a class.\n"
  if s.labels then
    labels = ("    labels = %s,%s file = %s, -- the column that names the images%s\n%s"):format(quoted(s.labels),
      how_of(s), quoted(s.file), left_out(s), targets_of(s))
  end
  local resize = s.resize and ("mtl.transform.resize(%d, %d), "):format(table.unpack(s.resize)) or ""
  return ([[
  data = mtl.data.images {
    dir = %s,
%s    -- Each time an image is drawn. The random ones act in training only: more examples out of few.
    transforms = { %smtl.transform.random_flip() },
    split = { 0.8, 0.1, 0.1 }, -- train, valid, test
    batch = %d,                -- images a step
  },
]]):format(quoted(s.dir), labels, resize, s.batch)
end

starter.dense = [[
  -- The part that all tasks share. nil: the width is inferred from the data.
  trunk = nn.sequential {
    nn.linear(nil, 64), nn.relu(),
    nn.linear(64, 64), nn.relu(),
  },
]]

--- A small convolutional trunk. @param shape [channels, height, width] @return text, width of its output
function starter.convolutions(shape)
  local lines, channels, size, width = {}, 16, math.min(shape[2], shape[3]), 64
  while size >= 8 and #lines < 4 do
    lines[#lines + 1] = ("    nn.conv2d(nil, %d, 3, { padding = 1 }), nn.relu(), nn.max_pool2d(2),"):format(channels)
    channels, size = channels * 2, size // 2
  end
  return ([[
  -- The part that all tasks share. nil: the width is inferred from the data.
  trunk = nn.sequential {
%s
    nn.flatten(), nn.linear(nil, %d), nn.relu(),
  },
]]):format(table.concat(lines, "\n"), width)
end

local function task(t)
  if t.kind == "class" then
    return ("    { name = %s, head = nn.linear(64, %d), loss = loss.cross_entropy(), kpi = kpi.accuracy() },"):format(
      quoted(t.name), t.classes)
  end
  local n = 1
  for _, size in ipairs(t.shape or {}) do
    n = n * size
  end
  return ([[
    { name = %s, head = nn.linear(64, %d), loss = loss.huber(), kpi = kpi.r2(),
      metrics = { metric.abs_error() } }, -- in the target's own units]]):format(quoted(t.name), n)
end

-- @param steps of an epoch
local function stages(tasks, steps, select)
  local epochs = math.max(LEAST, math.ceil(STEPS / steps))
  local first = epochs // 10
  local said = ("%d steps an epoch, %d in all; longer is often better"):format(steps, steps * epochs)
  local chosen = select and '  select = "valid", -- keep the epoch that does best on the validation rows\n' or ""
  if #tasks == 1 then
    return ("  ends = when.epochs(%d), -- %s\n%s"):format(epochs, said, chosen)
  end
  return ([[
  -- Training goes in stages. The first gets one task off the ground; then focal weights lead: the task with the worst
  -- KPI weighs most, and one that is learned fades. Other policies: uniform, fixed, uncertainty ... (docs/recipe.md)
  -- %s: --set stages.all.ends.n=%d
  stages = {
    { name = "first", tasks = { %s }, ends = when.epochs(%d) },
    { name = "all", policy = policy.focal { normalize = true }, ends = when.epochs(%d) },
  },
%s]]):format(said, 2 * (epochs - first), quoted(tasks[1].name), first, epochs - first, chosen)
end

--- The whole recipe.
-- @param s name, data (text), trunk (text), tasks ({ name =, kind =, classes =, shape = }), steps (of an epoch), select
-- (whether there are validation rows to choose an epoch by)
function starter.recipe(s)
  local lines, metrics = {}, false
  for i, t in ipairs(s.tasks) do
    lines[i], metrics = task(t), metrics or t.kind ~= "class"
  end
  local parts = { "nn", "loss", "kpi", "optim", "when" }
  if metrics then
    table.insert(parts, 4, "metric")
  end
  if #s.tasks > 1 then
    table.insert(parts, #parts - 1, "policy")
  end
  return ([[
-- %s: a recipe for mtl.
--
--   mtl check %s.lua     what it is, and whether anything is wrong
--   mtl run %s.lua       trains it; the results go to runs/
--   mtl predict RUN FILE    what it says of new rows
--
-- Any value can be changed for one run: mtl run %s.lua --set optimizer.lr=1e-2 --set data.batch=64 --seed 2
local mtl = require "mtl"
local %s = mtl.%s

return mtl.recipe {
  name = %s,
%s
%s
  -- A task: a head on the trunk, a loss to train by, and a KPI from 0 to 1 that says how well it does.
  tasks = {
%s
  },

  optimizer = optim.adamw { lr = 2e-3 },

%s}
]]):format(s.name, s.name, s.name, s.name, table.concat(parts, ", "), table.concat(parts, ", mtl."), quoted(s.name),
    s.data, s.trunk, table.concat(lines, "\n"), stages(s.tasks, s.steps, s.select))
end

return starter
