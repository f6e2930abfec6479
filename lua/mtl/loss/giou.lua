--- Generalized IoU (Rezatofighi et al., CVPR 2019): 1 - IoU + (C - U) / C, with U the area of the union of two boxes
-- and C that of the smallest box around both: from 0 (equal) to 2 (far apart); the mean over the boxes. Boxes are x1,
-- y1, x2, y2 in the last dimension, [batch, 4] or [batch, n, 4]; opposite corners in any order. A box with a NaN in its
-- target is left out; boxes without an area give finite numbers. For boxes judged by box_iou: unlike the IoU itself it
-- pulls boxes together that do not overlap.
local loss = require "mtl.loss"
local box = require "mtl.box"
local element = require "mtl.element"

return loss.define {
  name = "giou",
  form = "absolute",
  fits = element.fits_boxes,
  compute = function(_, pred, target)
    local x, y, missing, n = element.vectors(pred, target, target:rank())
    local iou, union, hull = box.iou(x, y)
    return element.mean(1 - iou + box.gap(union, hull), missing, n), n
  end,
}
