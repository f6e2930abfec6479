--- Matthews' correlation coefficient, in [-1, 1]; 0 is guessing. Several classes: R_k (Gorodkin 2004). Higher is
-- better. kpi.matthews is the same as a score in [0, 1].
--
--   ignore  a class without a label, beside -1; of several classes only
--
-- @formula (n Σ TP_c - Σ p_c a_c) / sqrt((n² - Σ p_c²) (n² - Σ a_c²)), p_c and a_c: how many elements are predicted to
-- be, and are, of class c
-- @when it is yes or no of unequal size, and the coefficient itself is wanted
-- @sample mtl.tensor { { 2 }, { 1 }, { -1 }, { -1 } }, mtl.tensor { 1, 1, 1, 0 }
local metric = require "mtl.metric"
local confusion = require "mtl.confusion"
local fits = require "mtl.fits"

return metric.define {
  name = "matthews",
  paper = "Matthews, Comparison of the predicted and observed secondary structure of T4 phage lysozyme, 1975",
  higher = true,
  params = { ignore = { type = "integer" } },
  fits = fits.any_class,
  reset = confusion.reset,
  update = confusion.update,
  merge = confusion.merge,
  value = confusion.matthews,
}
