--- What a prompt has at hand: mtl and its parts; with a recipe or a run also recipe, run, model, batch(), step(n),
-- evaluate(), plot(), and `policy`, which weighs from the next step on where a policy is put in its place.
local core = require "mtl.core"
local checkpoint = require "mtl.checkpoint"
local declare = require "mtl.declare"
local device = require "mtl.device"
local layers = require "mtl.cli.layers"
local open = require "mtl.cli.open"
local param = require "mtl.param"
local path = require "mtl.path"
local pictures = require "mtl.cli.curves"
local session = require "mtl.cli.session"
local text = require "mtl.cli.text"
local watch = require "mtl.cli.watch"

local hand = {}
hand.__index = hand

hand.parts = { "nn", "loss", "kpi", "metric", "policy", "optim", "when" }

local function fail(format, ...)
  error(format:format(...), 0)
end

local function with_text(value, lines)
  return setmetatable(value, { __tostring = function()
    return table.concat(lines(), "\n")
  end })
end

-- Makes the session when it is first asked for: a run opens its recipe and data only then.
local function session_of(self)
  if not self.session then
    self.session = self.start()
    self.env.recipe = self.session.recipe
  end
  return self.session
end

-- What stands in the global `policy`: the family, which prints as the policy that weighs.
local function view(self)
  return setmetatable({}, { __index = require "mtl".policy, __tostring = function()
    return tostring(session_of(self):policy())
  end })
end

--- Takes up what was put into the global `policy`. @return what there is to say about it, or nil
function hand:sync()
  local given = self.start and self.env.policy
  if not self.start or given == self.view or given == require "mtl".policy then
    return nil
  end
  self.env.policy = self.view
  if given ~= nil and not declare.is(given, "policy") then
    fail("policy is %s, which should be a policy, as policy.pcgrad(); nil goes back to the recipe's",
      declare.definition(given) and "a constructor" or param.show(given))
  end
  local s = session_of(self)
  local from = s:use(given)
  return ("from step %d on: %s%s"):format(s.t.at.step + 1, given and tostring(given) or "as the recipe says",
    from and (", when stage '%s' begins; this one trains one task"):format(from) or "")
end

local function check_count(n)
  if n ~= nil and not (math.type(n) == "integer" and n >= 1) then
    fail("step: the number of steps is %s, which should be a whole number of at least 1", param.show(n))
  end
  return n or 1
end

-- The model of a session, whichever it is by then.
local function model_of(self)
  local model = {}
  for _, name in ipairs { "parameters", "states", "layers", "inputs", "outputs", "count", "shared", "zero_grad" } do
    model[name] = function(_, ...)
      local m = session_of(self).t.model
      return m[name](m, ...)
    end
  end
  return setmetatable(model, {
    __call = function(_, inputs)
      return session_of(self):forward(inputs)
    end,
    __tostring = function()
      local m = session_of(self).t.model
      return table.concat(layers.lines(m), "\n") .. "\n\n" .. table.concat(layers.totals(m), "\n")
    end,
  })
end

local function functions(self)
  local env = self.env
  function env.step(n)
    self.note = self:sync() or self.note
    return watch.steps(session_of(self), check_count(n))
  end
  function env.batch(split)
    return session_of(self):batch(split)
  end
  function env.evaluate(split)
    local s = session_of(self)
    local results, of = s:evaluate(split)
    return with_text(results, function()
      return text.results(of or split, s.recipe.tasks, results)
    end)
  end
  env.model, self.view = model_of(self), view(self)
  env.policy = self.view
end

-- For a run: its settings, its recipe, its last checkpoint.
local function of_run(dir, options)
  local runs = require "mtl.run"
  local run = runs.load(dir, { trust = options.trust or false, data_dir = options.data, device = options.device })
  return run, function()
    local recipe, info = runs.open(dir, { trust = options.trust, data_dir = options.data })
    return session.new(recipe, { seed = info.seed, device = options.device or info.device,
      data_dir = options.data or info.data.dir, folder = info.recipe.folder },
      checkpoint.open(path.join(dir, "checkpoint.safetensors")))
  end
end

--- Puts everything at hand into the globals `env`. @param given a recipe, a run's folder, or nil
-- @param options trust, data (absolute), set, seed, device, threads
function hand.new(env, given, options)
  local self, mtl = setmetatable({ env = env }, hand), require "mtl"
  env.mtl, env.help = mtl, require "mtl.cli.page"
  for _, name in ipairs(hand.parts) do
    env[name] = mtl[name]
  end
  env.plot = pictures.plot(function()
    return self.start and session_of(self).curve
  end)
  if options.threads then
    core.threads(options.threads)
  end
  if options.device then
    device.choose(options.device)
  end
  local stat = given and core.stat(given)
  if given then -- no wall: it would hold what people type, too
    open.cap(options)
  end
  if stat and stat.type == "folder" then
    if options.set or options.seed then
      fail("repl: a run has its own settings and seed; leave --%s out", options.set and "set" or "seed")
    end
    env.run, self.start = of_run(given, options)
    functions(self)
  elseif given then
    local recipe = open.recipe(given, options)
    path.allow((path.split(given)), true) -- recipe:run writes there
    if not options.threads and recipe.threads then
      core.threads(recipe.threads)
    end
    self.session = session.new(recipe, { seed = options.seed, device = options.device, data_dir = options.data })
    self.start, env.recipe = function() return self.session end, recipe
    functions(self)
  end
  return self
end

--- Names that there are besides mtl and its parts, for the first line.
function hand:names()
  return not self.start and {} or { self.env.run and "run" or "recipe", "model", "batch()", "step(n)", "evaluate()",
    "plot()" }
end

--- Chooses what computes, or says what does.
function hand:device(name)
  if name then
    device.choose(name)
    if self.session then
      self.session:move(name)
    end
  end
  return self.session and self.session.t.device or device.default()
end

return hand
