-- Two objectives of two numbers, in conflict (Liu et al., CAGrad, 2021; Navon et al., Nash-MTL, 2022): where does a
-- policy end up? From one start:
--
--   mtl run recipes/pareto-toy.lua --set policy=nash_mtl --set trunk.1.init=9 --set trunk.2.init=-1
--
-- From all of Nash-MTL's starts under several policies, with a picture of the paths (and with fewer steps, or others):
--
--   mtl lua recipes/pareto-toy.lua paths.svg [STEPS [POLICY,POLICY...]]
local mtl = require "mtl"
local nn, loss, kpi, policy, optim, when = mtl.nn, mtl.loss, mtl.kpi, mtl.policy, mtl.optim, mtl.when

local policies = {
  uniform = policy.uniform(), cagrad = policy.cagrad(), nash_mtl = policy.nash_mtl(), upgrad = policy.upgrad(),
  famo = policy.famo { min = { L1 = -21, L2 = -21 }, decay = 1e-5 }, -- its paper's settings for this toy
}
local starts = { { -8.5, 7.5 }, { 0, 0 }, { 9, 9 }, { -7.5, -0.5 }, { 9, -1 } }

-- Where x2 > 0 (`up`) a narrow valley of log |u|, apart from the other objective's; below it a bowl about (best, -8).
-- clamp, not relu: as in the papers' code, both halves have a slope at x2 = 0, or the start there would never be left.
local function objective(best, u)
  return function(x)
    local x1, x2 = x:select(2, 1), x:select(2, 2)
    local up, down = (x2 / 2):tanh():clamp(0), (x2 / -2):tanh():clamp(0)
    local valley = u(x1, x2:tanh()):abs():clamp(5e-6):log() + 6
    local bowl = ((x1 - best):square() + (x2 + 8):square() * 0.1) / 10 - 20
    return valley * up + bowl * down
  end
end

local objectives = {
  L1 = objective(7, function(x1, tanh) return (x1 + 7) / -2 + tanh end),
  L2 = objective(-7, function(x1, tanh) return (x1 - 3) / -2 - tanh + 2 end),
}

-- Where the training has been, whenever it has moved by 0.1.
local path

local function follow(x1, x2)
  local last = path[#path]
  if not last or (x1 - last[1]) ^ 2 + (x2 - last[2]) ^ 2 > 0.01 then
    path[#path + 1] = { x1, x2 }
  end
end

-- Under an input of -1, a prelu gives its slope times -1: the slopes are x1 and x2, and `out` is -x. KPI: 1 at the
-- task's own minimum, 1/2 at a distance of 10.
local function task(name, best)
  return {
    name = name, head = nn.identity(), target = "none",
    loss = loss.custom(function(out) return objectives[name](-out):mean() end, { negative = true }),
    kpi = kpi.custom(function(out)
      local x1, x2 = table.unpack((-out):totable()[1])
      follow(x1, x2)
      return 1 / (1 + math.sqrt((x1 - best) ^ 2 + (x2 + 8.355) ^ 2) / 10)
    end),
  }
end

local function toy(name, start, steps)
  path = {}
  return mtl.recipe {
    name = "pareto-toy",
    data = mtl.data.tensors { -- an epoch of 10,000 steps, all alike
      inputs = mtl.full({ 10000, 1 }, -1), targets = { none = mtl.zeros(10000) }, split = { 1 }, batch = 1,
    },
    trunk = nn.concat { nn.prelu { init = start[1] }, nn.prelu { init = start[2] } },
    tasks = { task("L1", 7), task("L2", -7) },
    policy = policies[name],
    optimizer = optim.adam { lr = 1e-3 },
    ends = when.steps(steps),
    log_every = 100,
    threads = 1,
  }
end

local picture, steps, names = ...
if not picture then
  return toy("cagrad", starts[1], 100000)
end

local panels = {}
for name in (names or "uniform,cagrad,nash_mtl,upgrad,famo"):gmatch "[^,]+" do
  policies[name] = policies[name] or policy[name]()
  panels[#panels + 1] = { title = name, paths = {} }
  for i, start in ipairs(starts) do
    local folder = ("%s-runs/%s-%d"):format(picture:gsub("%.svg$", ""), name, i)
    local run = toy(name, start, tonumber(steps or 100000)):run { out = folder }
    local x = -run:predict(mtl.full({ 1, 1 }, -1)).L1
    path[#path + 1] = x[1]:totable()
    panels[#panels].paths[i] = path
    print(("%-9s (%4.1f, %4.1f) -> (%6.3f, %6.3f)"):format(name, start[1], start[2], x[1][1]:item(), x[1][2]:item()))
  end
end

-- The mean loss on a grid over [-10, 10] x [-10, 10].
local n, z = 100, {}
for i = 0, n do
  local points = {}
  for j = 0, n do
    points[j + 1] = { 20 * i / n - 10, 20 * j / n - 10 }
  end
  points = mtl.tensor(points)
  z[i + 1] = ((objectives.L1(points) + objectives.L2(points)) / 2):reshape(n + 1):totable()
end

local file <close> = assert(io.open(picture, "w"))
file:write(require("mtl.landscape").draw {
  title = "The two-objective toy: paths from five starts",
  subtitle = "x1 across, x2 up; rings: starts, dots: ends; gray bar: Pareto set; lines: mean loss, every 2",
  box = { -10, 10, -10, 10 }, z = z, levels = { -16, -14, -12, -10, -8, -6, -4, -2, 0, 2, 4, 6, 8 },
  goals = { { { -7, -8.355 }, { 7, -8.355 } } }, panels = panels,
})
