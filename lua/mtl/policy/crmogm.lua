--- CR-MOGM (Zhou et al., NeurIPS 2022): smooths the weights of any other policy, policy.crmogm { policy.mgda() }, so
-- that noise of single batches does not throw them about. The heads and what is needed are those of the policy within;
-- one that learns its weights with the model, or works on rows or through the KPI, cannot be wrapped. What it clips
-- with max_norm stays clipped.
--
--   of             the policy within, without a name: the first of the list
--   momentum  0.9  share of the old weights
--
-- @formula w ← momentum w + (1 - momentum) new w, from a task's first weight on
-- @scale that of the policy within
-- @when a policy's weights jump from step to step, as mgda's
-- @needs what the policy within needs
-- @usage policy.crmogm { policy.mgda() }:weights { gram = { { 4, 1 }, { 1, 2 } }, losses = { 1, 1 } }
local policy = require "mtl.policy"
local declare = require "mtl.declare"
local history = require "mtl.history"

-- What the trainer serves as it does for the policy within.
local shared = { "needs", "at", "heads", "batches", "positive", "wants_after", "slices", "pool", "max_norm", "every",
  "blind" }

-- The policy at work within; its state lies in the wrapper's, and so in checkpoints.
local function inner(self)
  self.inner = self.inner or self.of[1]:new()
  self.state.inner = self.state.inner or {}
  self.inner.state = self.state.inner
  return self.inner
end

-- A method of the policy within, where it has one.
local function forward(name)
  return function(self, ...)
    local p = inner(self)
    if p[name] then
      return p[name](p, ...)
    end
  end
end

local function check(of)
  local p = of[1]
  if #of ~= 1 or not declare.is(p, "policy") then
    return "it wraps one policy: policy.crmogm { policy.mgda() }"
  elseif p.learned or p.needs == "rows" or p.soft then
    return ("policy.%s cannot be wrapped: it does not give plain weights"):format(p.type)
  end
end

-- Old and new, numbers or (by slices) lists of them.
local function blend(old, new, momentum)
  if type(new) == "number" then
    return old and momentum * old + (1 - momentum) * new or new
  end
  local list = {}
  for k, x in ipairs(new) do
    list[k] = blend(old and old[k], x, momentum)
  end
  return list
end

return policy.define {
  name = "crmogm",
  paper = "Zhou et al., On the convergence of stochastic multi-objective gradient manipulation and beyond, 2022",
  list = "of",
  params = {
    of = { required = true, type = "table", check = check },
    momentum = { default = 0.9, type = "number", least = 0, below = 1 },
  },
  derive = function(self)
    for _, name in ipairs(shared) do
      self[name] = self.of[1][name]
    end
  end,
  reset = function(self)
    self.inner = nil
  end,
  prepare = forward "prepare",
  after_step = forward "after_step",
  on_epoch = forward "on_epoch",
  names_wrong = function(self, known, tasks)
    return policy.check(self.of[1], tasks, known)
  end,
  weights = function(self, ctx)
    local new, own = inner(self):weights(ctx)
    local sliced = type(new[1]) == "table"
    local n, w = sliced and #new[1] or #new, {}
    for i = 1, n do
      local mine, column = history.of(self, ctx, i, function()
        return {}
      end), new[i]
      if sliced then
        column = {}
        for k = 1, #new do
          column[k] = new[k][i]
        end
      end
      mine.w = blend(mine.w, column, self.momentum)
      for k = 1, sliced and #new or 0 do
        w[k] = w[k] or {}
        w[k][i] = mine.w[k]
      end
      w[i] = sliced and w[i] or not sliced and mine.w or nil
    end
    return w, own
  end,
}
