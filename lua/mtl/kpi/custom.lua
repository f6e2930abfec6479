--- A KPI of one's own: a function of a batch that gives a score in [0, 1], and over how many elements. No second
-- result: over its rows; nil for the score: undefined. The whole is the mean by n, exact for scores that are means.
--
--   score       function(pred, target) returning score [, n]; the score is a number or a tensor of one
--   soft_score  function(pred, target) returning a scalar tensor, differentiable: the soft form
--
-- @formula Σ n score / Σ n over the batches
-- @soft what `soft_score` gives; none without it
-- @when none of the others says what you are after
-- @usage kpi.custom(function(pred, target) return (pred - target):abs():lt(0.5):mean() end)
-- @sample mtl.tensor { 0.2, 3 }, mtl.tensor { 0, 1 }
local kpi = require "mtl.kpi"
local core = require "mtl.core"
local counts = require "mtl.counts"

local function add(own, score, n)
  if not (score >= 0 and score <= 1) then
    error(("kpi.custom: the function returned %g, which should be from 0 (worst) to 1 (best)"):format(score), 0)
  end
  own.sum, own.n = own.sum + score * n, own.n + n
end

return kpi.define {
  name = "custom",
  positional = { "score" },
  params = { score = { required = true, type = "function" }, soft_score = { type = "function" } },
  derive = function(self)
    self.soft = self.soft_score and function(_, pred, target)
      return self.soft_score(pred, target)
    end
  end,
  reset = function(self)
    self.counts = { sum = 0, n = 0 }
  end,
  update = function(self, pred, target)
    local score, n = self.score(pred, target)
    n = n or #target
    if score == nil or n == 0 then
      return
    elseif type(n) == "number" and core.type(score) == "mtl.tensor" and score:count() == 1 then
      return counts.add(self, function(own, x)
        add(own, x[1], n)
      end, score:dtype() == "float32" and score or score:cast "float32")
    elseif type(score) ~= "number" or type(n) ~= "number" then
      error(("kpi.custom: the function returned %s, %s, which should be a score and how many elements it is of"):format(
        type(score), type(n)), 0)
    end
    add(self.counts, score, n)
  end,
  value = function(self)
    return counts.mean(self, "sum")
  end,
}
