--- Matthews' correlation coefficient, in [-1, 1]; 0 is guessing. Several classes: R_k. As a score in [0, 1] it is
-- kpi.matthews, which says more.
local metric = require "mtl.metric"
local confusion = require "mtl.confusion"
local element = require "mtl.element"

return metric.define {
  name = "matthews",
  higher = true,
  params = { ignore = { type = "integer" } },
  fits = element.fits_any_class,
  reset = confusion.reset,
  update = confusion.update,
  merge = confusion.merge,
  value = confusion.matthews,
}
