--- Boxes x1, y1, x2, y2 along the last dimension, for losses and KPIs. Either corner may come first: sides are taken in
-- order, as in Rezatofighi et al., CVPR 2019.
local box = {}

local tiny = 1e-12 -- least area that is divided by: boxes without any overlap nothing

-- Left, top, right and bottom: [..., 1] each.
local function sides(t)
  local dim, side = t:rank(), {}
  for i = 1, 4 do
    side[i] = t:slice(dim, i, i)
  end
  return side[1]:minimum(side[3]), side[2]:minimum(side[4]), side[1]:maximum(side[3]), side[2]:maximum(side[4])
end

--- Intersection over union: [..., 1]. @return it, the union, the area of the smallest box around both
function box.iou(pred, target)
  local a1, b1, a2, b2 = sides(pred)
  local c1, d1, c2, d2 = sides(target)
  local overlap = (a2:minimum(c2) - a1:maximum(c1)):relu() * (b2:minimum(d2) - b1:maximum(d1)):relu()
  local union = (a2 - a1) * (b2 - b1) + (c2 - c1) * (d2 - d1) - overlap
  local hull = (a2:maximum(c2) - a1:minimum(c1)) * (b2:maximum(d2) - b1:minimum(d1))
  return overlap / union:clamp(tiny), union, hull
end

--- 1 where disjoint boxes grow apart: the share of the box around both that neither covers.
function box.gap(union, hull)
  return (hull - union) / hull:clamp(tiny)
end

return box
