--- Optimizers at work in loops of one's own: what optim.adam{...}:attach(net) returns. Several modules are stepped
-- together: one learning rate, one norm that is clipped.
local core = require "mtl.core"
local declare = require "mtl.declare"
local module = require "mtl.module"
local nearest = require "mtl.nearest"

local stepper = {}
local tiny = 1e-37 -- of a norm that is not finite, each part takes nothing
local meta = { __index = stepper, __name = "mtl.stepper" } -- apart, so that a recipe does not reach the methods

local function check_keys(who, options, known)
  for key in pairs(options or {}) do
    if not known[key] then
      declare.fail(("%s: unknown option '%s'%s"):format(who, tostring(key), nearest.hint(key, known)))
    end
  end
  return options or {}
end

local function is_arena(x)
  local kind = core.type(x)
  return kind == "mtl.model" or kind == "mtl.arena"
end

--- @param what a module, a core.model or core.arena, or a list of them
-- @param options for schedules: steps (of all), per_epoch (steps of an epoch)
function stepper.new(decl, what, options)
  options = check_keys("attach", options, { steps = true, per_epoch = true })
  local self = setmetatable({ decl = decl, parts = {}, made = 0, total = options.steps, per_epoch = options.per_epoch },
    meta)
  local list = (is_arena(what) or declare.is(what, "nn")) and { what } or what
  for i, part in ipairs(type(list) == "table" and list or {}) do
    if not is_arena(part) and not declare.is(part, "nn") then
      declare.fail(("attach: number %d of the list is no module"):format(i))
    end
    self.parts[i] = is_arena(part) and { arena = part } or { module = part }
  end
  if #self.parts == 0 then
    declare.fail "attach: it takes a module, or a list of them: { trunk, head }"
  end
  return self
end

-- A module has its parameters from its first call on, which may come after attach.
local function bind(self, part)
  part.arena = part.arena or module.model(part.module, "opt:step")
  part.optimizer = part.optimizer or core.optimizer(part.arena, self.decl:settings())
  return part.optimizer
end

--- The moments and counts of every part, for mtl.save: { { optimizer = }, ... }.
function stepper:optimizers()
  local list = {}
  for i, part in ipairs(self.parts) do
    list[i] = bind(self, part)
  end
  return list
end

--- Forgets the gradients.
function stepper:zero_grad()
  for _, part in ipairs(self.parts) do
    local arena = part.arena or module.model(part.module)
    if arena then
      arena:zero_grad()
    end
  end
end

--- The learning rate of the next step. @param x sets it from now on, in place of the schedule
function stepper:lr(x)
  self.fixed = x or self.fixed
  return self.fixed or self.decl:lr_at(self.made, self.total, self.per_epoch)
end

--- One step along the gradients of the last backward passes. @param options clip: the norm that they are brought down
-- to. @return their norm before that, 0 where it was not needed
function stepper:step(options)
  local clip = check_keys("opt:step", options, { clip = true }).clip or 0
  if type(clip) ~= "number" or clip ~= clip or clip < 0 then
    declare.fail("opt:step: clip should be a number above 0")
  end
  local lr, norms, sum = self:lr(), {}, 0
  for i, part in ipairs(self.parts) do
    bind(self, part):set { lr = lr }
    if clip > 0 then
      norms[i] = part.arena:grad_norm()
      sum = sum + norms[i] ^ 2
    end
  end
  self.made = self.made + 1
  local norm = sum ^ 0.5
  for i, part in ipairs(self.parts) do
    local share = norm <= clip and 0 or norm < math.huge and norms[i] * clip / norm or tiny
    part.optimizer:step(-1, #self.parts == 1 and clip or share)
  end
  return norm
end

function meta:__tostring()
  return ("%s, attached; %d steps made"):format(tostring(self.decl), self.made)
end

return stepper
