--- Generalized IoU (Rezatofighi et al., CVPR 2019): 1 - IoU and the share of the box around both that neither covers,
-- from 0 (equal boxes) to 2 (far apart). Boxes are x1, y1, x2, y2 in the last dimension, [batch, 4] or [batch, n, 4];
-- opposite corners in any order. A box with a NaN in its target is left out;
-- boxes without an area give finite numbers.
--
-- @formula the mean over the boxes of 1 - I / U + (C - U) / C, I and U the areas of the two boxes' intersection and
-- union, C that of the smallest box around both
-- @when boxes are judged by box_iou: unlike the IoU itself it pulls boxes together that do not overlap
-- @sample mtl.tensor { { 0, 0, 2, 2 } }, mtl.tensor { { 1, 0, 3, 2 } }
local loss = require "mtl.loss"
local box = require "mtl.box"
local element = require "mtl.element"
local fits = require "mtl.fits"

return loss.define {
  name = "giou",
  paper = "Rezatofighi et al., Generalized intersection over union, CVPR 2019",
  form = "absolute",
  fits = fits.boxes,
  compute = function(_, pred, target)
    local x, y, missing, n = element.vectors(pred, target, target:rank())
    local iou, union, hull = box.iou(x, y)
    return element.mean(1 - iou + box.gap(union, hull), missing, n), n
  end,
}
