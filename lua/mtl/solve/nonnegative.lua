--- min x'Ax / 2 - b'x with x >= 0, A a positive semidefinite table, b in its range: the active sets of Lawson and
-- Hanson (Solving least squares problems, 1974), on A alone. A column enters only where the residual is not
-- orthogonal to it, so it is independent of those that are in; one that is dependent but for rounding is left out.
-- @param start places to begin with (optional): the support of a problem close to this one
-- @return x, the places where it is above 0
local cholesky = require "mtl.solve.cholesky"
local gramian = require "mtl.gramian"

local tolerance, least_pivot = 1e-13, 1e-15

local function pick(list, from)
  local part = {}
  for k, i in ipairs(list) do
    part[k] = from[i]
  end
  return part
end

-- Goes from x to the minimum on the span of `inside`, dropping what reaches 0 on the way. False if that is singular.
local function descend(a, b, x, inside)
  while #inside > 0 do
    local z = cholesky(gramian.part(a, inside), pick(inside, b), least_pivot)
    if not z then
      return false
    end
    local step, hit = 1, nil
    for k, i in ipairs(inside) do
      if z[k] <= 0 then
        local reach = x[i] / (x[i] - z[k])
        if not hit or reach < step then
          step, hit = reach, k
        end
      end
    end
    for k, i in ipairs(inside) do
      x[i] = hit and math.max(x[i] + step * (z[k] - x[i]), 0) or z[k]
    end
    if not hit then
      return true
    end
    x[inside[hit]] = 0
    for k = #inside, 1, -1 do
      if x[inside[k]] == 0 then
        table.remove(inside, k)
      end
    end
  end
  return true
end

-- The place outside with the steepest way down, in the scale of a diagonal of 1.
local function entering(a, b, x, size, barred)
  local ax, best, place = gramian.times(a, x), 0, nil
  for i = 1, #a do
    local unit = math.sqrt(math.max(a[i][i], 0))
    local down = b[i] - ax[i]
    if x[i] == 0 and not barred[i] and down > tolerance * size * unit and down / unit > best then
      best, place = down / unit, i
    end
  end
  return place
end

return function(a, b, start)
  local n, inside, barred, size = #a, {}, {}, 0
  local x = gramian.fill(n, 0)
  for i = 1, n do
    size = a[i][i] > 0 and math.max(size, math.abs(b[i]) / math.sqrt(a[i][i])) or size
  end
  if start and #start > 0 then -- inner point of the face that is begun with
    for k, i in ipairs(start) do
      inside[k], x[i] = i, size / math.sqrt(a[i][i]) / #start
    end
    if not descend(a, b, x, inside) then
      inside, x = {}, gramian.fill(n, 0)
    end
  end
  for _ = 1, 30 * n do
    local place = entering(a, b, x, size, barred)
    if not place then
      break
    end
    local before, count = { table.unpack(x) }, #inside
    local kept = { table.unpack(inside) }
    inside[count + 1] = place
    if descend(a, b, x, inside) and x[place] > 0 then
      barred = {}
    else -- no way down but for rounding
      x, inside, barred[place] = before, kept, true
    end
  end
  return x, inside
end
