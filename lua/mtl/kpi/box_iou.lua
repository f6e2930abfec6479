--- Mean intersection over union of boxes, each predicted box with its own target. Boxes are x1, y1, x2, y2 in the last
-- dimension; opposite corners in any order. A box with a NaN in its target is left out; without an area in either box
-- it is 0.
--
-- @formula Σ |A ∩ B| / |A ∪ B| / n over the n boxes A with a target B
-- @soft the same, exact; it has no gradient where boxes do not overlap, so pair it with loss.giou
-- @when the task is localisation: one box, or a fixed number of boxes, an example
-- @sample mtl.tensor { { 0, 0, 2, 2 } }, mtl.tensor { { 1, 0, 3, 2 } }
local kpi = require "mtl.kpi"
local box = require "mtl.box"
local counts = require "mtl.counts"
local element = require "mtl.element"
local fits = require "mtl.fits"

local function overlaps(pred, target)
  local x, y, missing, n = element.vectors(pred, target, target:rank())
  return (box.iou(x, y)), missing, n
end

return kpi.define {
  name = "box_iou",
  fits = fits.boxes,
  reset = function(self)
    self.counts = { sum = 0, n = 0 }
  end,
  update = function(self, pred, target)
    local iou, missing, n = overlaps(pred, target)
    counts.sum(self, "sum", element.sum(iou, missing), n)
  end,
  value = function(self)
    return counts.mean(self, "sum")
  end,
  soft = function(_, pred, target)
    local iou, missing, n = overlaps(pred, target)
    return n > 0 and element.mean(iou, missing, n) or nil
  end,
}
