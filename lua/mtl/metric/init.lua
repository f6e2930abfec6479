--- Metrics: figures in a target's own units, beside the KPI; policies do not read them. Declared and used as KPIs are
-- (see kpi/init.lua), without a soft form; `higher` says whether higher is better.
local declare = require "mtl.declare"
local element = require "mtl.element"

local methods = { higher = false, fits = element.fits_numbers }

function methods:reset()
  self.sum, self.n = 0, 0
end

function methods:merge(other)
  self.sum, self.n = self.sum + other.sum, self.n + other.n
end

function methods:value()
  return self.n > 0 and self.sum / self.n or nil
end

return declare.family("metric", { methods = methods })
