--- GradNorm (Chen et al., ICML 2018): the weighted gradients get the lengths that the tasks' training rates ask for.
-- The weights of a step are those from before its own update. Losses must not be below 0; ratios carry 1e-8. A weight
-- is kept at 0 or above.
--
--   alpha   1.5    0: equal lengths; larger: slow tasks are pulled harder
--   lr      0.025  of w
--   libmtl  false  true: as LibMTL: gradients of all shared parameters, w = T softmax(v), v learned; a task weighs 1 in
--                  its first epoch, and L0 is the mean loss of that
--   every   1      steps that weights are kept for
--
-- @formula g the gradients at the last shared layer, G = w |g|; r = (L / L0) / mean (L / L0), L0 the loss of a task's
-- first step; w, learned from 1 with an Adam of its own, minimises Σ |G - mean G × r^alpha|, the target a constant
-- @scale of a sum: Σ w = T
-- @when tasks learn at different speeds, and no KPI says so
-- @usage policy.gradnorm()
local policy = require "mtl.policy"
local adam = require "mtl.solve.adam"
local history = require "mtl.history"
local softmax = require "mtl.solve.softmax"

local function start()
  return { w = adam.new(1) }
end

-- The tasks of the step whose L0 is known: a list of { place in the step, history }.
local function known(self, ctx)
  local list = {}
  for i = 1, self:count(ctx) do
    local h = history.of(self, ctx, i, start)
    if self.libmtl then
      history.add_loss(h, ctx, i)
      h.first = h.first or h.last -- nil in the first epoch
    else
      h.first = h.first or ctx.losses[i]
    end
    list[#list + 1] = h.first and { place = i, history = h } or nil
  end
  return list
end

-- Weights of these tasks; they sum to how many there are.
local function weights_of(self, list)
  local x, sum, w = {}, 0, {}
  for k, one in ipairs(list) do
    x[k] = one.history.w.x
    sum = sum + x[k]
  end
  local shares = self.libmtl and softmax(x, #list)
  for k = 1, #list do
    w[k] = #list * (shares and shares[k] or x[k] / sum)
  end
  return w
end

-- Slopes of sum |G - target| in w.
local function slopes(self, ctx, list, w)
  local length, rate, mean_length, mean_rate, slope = {}, {}, 0, 0, {}
  for k, one in ipairs(list) do
    length[k] = math.sqrt(math.max(ctx.gram[one.place][one.place], 0))
    rate[k] = (ctx.losses[one.place] + 1e-8) / (one.history.first + 1e-8)
    mean_length, mean_rate = mean_length + w[k] * length[k] / #list, mean_rate + rate[k] / #list
  end
  for k = 1, #list do
    local over = w[k] * length[k] - mean_length * (rate[k] / mean_rate) ^ self.alpha
    slope[k] = over > 0 and length[k] or over < 0 and -length[k] or 0
  end
  return slope
end

-- A step of w (or of v, whose softmax it is).
local function learn(self, list, w, slope)
  local inner, before, after = 0, 0, 0
  for k = 1, #list do
    inner = inner + w[k] * slope[k] / #list
  end
  for k, one in ipairs(list) do
    local number = one.history.w
    before = before + number.x
    adam.step(number, self.libmtl and w[k] * (slope[k] - inner) or slope[k], self.lr)
    number.x = self.libmtl and number.x or math.max(number.x, 0)
    after = after + number.x
  end
  for _, one in ipairs(self.libmtl and {} or list) do
    one.history.w.x = after > 0 and one.history.w.x * before / after or before / #list
  end
end

return policy.define {
  name = "gradnorm",
  paper = "Chen et al., GradNorm: gradient normalization for adaptive loss balancing, ICML 2018",
  needs = "gram",
  positive = true,
  params = {
    alpha = { default = 1.5, type = "number", least = 0 },
    lr = { default = 0.025, type = "number", above = 0 },
    libmtl = { default = false, type = "boolean" },
    every = { default = 1, type = "size" },
  },
  derive = function(self)
    self.at = self.libmtl and "shared" or "last_shared"
  end,
  weights = function(self, ctx)
    local list, all = known(self, ctx), {}
    local w = weights_of(self, list)
    learn(self, list, w, slopes(self, ctx, list, w))
    for i = 1, self:count(ctx) do
      all[i] = 1
    end
    for k, one in ipairs(list) do
      all[one.place] = w[k]
    end
    return all
  end,
}
