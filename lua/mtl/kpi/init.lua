--- KPIs: one score a task, in [0, 1], higher is better; policies read it. A declaration makes meters: `meter =
-- kpi.NAME{...}:new()`, then `meter:update(pred, target)` for every batch, `meter:merge(other)`, `meter:value()`
-- (nil where it is undefined: no labels, no positives, no variance), `meter:reset()`. Exact over all that it has
-- seen, in whatever order. `soft(self, pred, target)` is its differentiable form on one batch: a scalar tensor, or
-- nil where it is undefined; a KPI without one has no `soft`. A definition may have `fit(self, target)`: the trainer
-- shows each meter all training targets once, before the first step. `pred` is what the head gives (logits).
-- What an update counts may be read later (see counts.lua), so that a device is not waited for in every step. Meters
-- that hold whole tensors until they are asked for the value say how many elements: `meter:holds()`.
local counts = require "mtl.counts"
local declare = require "mtl.declare"

local methods = { higher = true, merge = counts.merge }

function methods.fits()
  return nil
end

function methods.holds()
  return 0
end

return declare.family("kpi", { methods = methods })
