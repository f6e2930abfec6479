--- Dynamic weight average (Liu, Johns & Davison, CVPR 2019): a task whose loss falls more slowly than the others'
-- weighs more. In its first two epochs a task weighs 1, and the softmax is over the others. Losses must not be below 0;
-- both means carry 1e-8.
--
--   temperature  2  larger: nearer to 1
--
-- @formula r = mean loss of the last epoch / that of the epoch before it, w = T softmax(r / temperature)
-- @scale of a sum: Σ w = T
-- @when it should be cheap, and mild: at temperature 2 weights stay near 1
-- @usage policy.dwa()
local policy = require "mtl.policy"
local history = require "mtl.history"
local softmax = require "mtl.solve.softmax"

local function start()
  return {}
end

return policy.define {
  name = "dwa",
  paper = "Liu, Johns & Davison, End-to-end multi-task learning with attention, CVPR 2019",
  positive = true,
  params = { temperature = { default = 2, type = "number", above = 0 } },
  weights = function(self, ctx)
    local n, x = self:count(ctx), {}
    for i = 1, n do
      local h = history.of(self, ctx, i, start)
      history.add_loss(h, ctx, i)
      x[i] = h.before and (h.last + 1e-8) / (h.before + 1e-8) / self.temperature
    end
    local w, known = softmax(x, n)
    for i = 1, n do
      w[i] = w[i] and known * w[i] or 1
    end
    return w
  end,
}
