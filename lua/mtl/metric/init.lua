--- Metrics: figures in a target's own units, beside the KPI; policies do not read them. Declared and used as KPIs are
-- (see kpi/init.lua), without a soft form; `higher` says whether higher is better.
local counts = require "mtl.counts"
local declare = require "mtl.declare"
local fits = require "mtl.fits"

local methods = { higher = false, fits = fits.numbers, merge = counts.merge }

function methods:reset()
  self.counts = { sum = 0, n = 0 }
end

function methods:value()
  return counts.mean(self, "sum")
end

return declare.family("metric", { methods = methods })
