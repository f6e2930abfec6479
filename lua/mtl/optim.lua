--- Optimizers and schedules of the learning rate. Names and defaults are PyTorch's. `decl:settings()`: what
-- core.optimizer takes; `decl:lr_at(step, total, per_epoch)`: the learning rate of a step of the stage (from 0), of
-- `total` (nil where it is not known), `per_epoch` steps making an epoch.
local declare = require "mtl.declare"

local methods = {}

function methods:settings()
  local betas = self.betas or {}
  return { kind = self.type, lr = self.lr, weight_decay = self.weight_decay, momentum = self.momentum,
    dampening = self.dampening, nesterov = self.nesterov, beta1 = betas[1], beta2 = betas[2], eps = self.eps }
end

function methods:lr_at(step, total, per_epoch)
  local schedule, share = self.schedule, 1
  if schedule then
    if step < schedule.warmup then
      return self.lr * (step + 1) / schedule.warmup
    end
    share = schedule:share(step, total, per_epoch)
  end
  return self.lr * share
end

--- For a training loop of one's own: opt = optim.adam{...}:attach(net); opt:zero_grad(), opt:step(), opt:lr(x).
-- @param what a module, or a list of modules that are stepped together
-- @param options of a schedule: steps (how many there will be), per_epoch (steps of an epoch)
function methods:attach(what, options)
  return require "mtl.stepper".new(self, what, options)
end

local optim = declare.family("optim", { methods = methods })
local schedules = declare.family "schedule"

local function betas(list)
  return #list ~= 2 and "betas should be two numbers: { 0.9, 0.999 }" or nil
end

local function params(more)
  more.lr = { default = more.lr, type = "number", least = 0 }
  more.weight_decay = { default = more.weight_decay or 0, type = "number", least = 0 }
  more.schedule = { type = "schedule" }
  return more
end

local function adam(name, weight_decay)
  optim.define {
    name = name,
    params = params {
      lr = 1e-3, weight_decay = weight_decay, eps = { default = 1e-8, type = "number", above = 0 },
      betas = { default = { 0.9, 0.999 }, type = "numbers", least = 0, below = 1, check = betas },
    },
  }
end

--- Adam (Kingma & Ba, ICLR 2015): lr 1e-3, betas { 0.9, 0.999 }, eps 1e-8, weight_decay 0 (added to the gradient).
adam("adam", 0)

--- AdamW (Loshchilov & Hutter, ICLR 2019): Adam with decay of the weights themselves, weight_decay 0.01.
adam("adamw", 0.01)

--- Stochastic gradient descent: lr 1e-3, momentum 0, dampening 0, nesterov false, weight_decay 0.
optim.define {
  name = "sgd",
  params = params {
    lr = 1e-3, momentum = { default = 0, type = "number", least = 0, below = 1 },
    dampening = { default = 0, type = "number", least = 0, most = 1 }, nesterov = { default = false, type = "boolean" },
  },
  derive = function(self)
    return self.nesterov and (self.momentum == 0 or self.dampening ~= 0)
      and "nesterov needs a momentum above 0 and no dampening" or nil
  end,
}

local warmup = { default = 0, type = "count" } -- steps in which the learning rate rises to lr, in a straight line

-- The constructors of schedules stand beside those of optimizers, as people write them.
local function schedule(definition)
  optim[definition.name] = schedules.define(definition)
end

--- lr as it stands after `warmup` steps.
schedule {
  name = "constant",
  params = { warmup = warmup },
  share = function()
    return 1
  end,
}

--- lr x `gamma` (0.1) after every `every` steps or `every_epochs` epochs.
schedule {
  name = "step",
  params = {
    warmup = warmup, every = { type = "size" }, every_epochs = { type = "size" },
    gamma = { default = 0.1, type = "number", above = 0, most = 1 },
  },
  derive = function(self)
    if (self.every == nil) == (self.every_epochs == nil) then
      return "give one of every (steps) and every_epochs"
    end
  end,
  share = function(self, step, _, per_epoch)
    local every = self.every or self.every_epochs *
      (per_epoch or error("optim.step: every_epochs needs to know the steps of an epoch", 0))
    return self.gamma ^ (step // every)
  end,
}

--- From lr down to `final` (0) x lr along half a cosine, over `steps` (default: all of the stage), warm-up included.
schedule {
  name = "cosine",
  params = {
    warmup = warmup, steps = { type = "size" }, final = { default = 0, type = "number", least = 0, most = 1 },
  },
  share = function(self, step, total)
    local last = self.steps or total
      or error("optim.cosine: the length of this stage is not known; give steps, or end it by epochs or steps too", 0)
    local done = math.min(math.max((step - self.warmup) / math.max(last - self.warmup, 1), 0), 1)
    return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * done))
  end,
}

return optim
