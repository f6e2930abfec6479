--- Directions: cosines and angles between vectors along dimension 2. The length of a vector does not matter; a
-- prediction of length 0 is at a right angle to everything.
local core = require "mtl.core"
local element = require "mtl.element"

local angle = {}

local least = 1e-16 -- square of the shortest length that is divided by (PyTorch's 1e-8)

local function unit(t)
  return t / t:square():sum(2, true):clamp(least):sqrt()
end

--- Cosines [batch, 1, ...]; the mask of targets that are NaN or 0 (nil where none is), how many vectors remain.
function angle.cosine(pred, target)
  local x, y, missing, n = element.vectors(pred, target, 2, true)
  return (unit(x) * unit(y)):sum(2, true), missing, n
end

-- acos(x) = sqrt(1 - x) P(x) for x in [0, 1], to 2e-8 (Abramowitz & Stegun 4.4.46)
local P = { 1.5707963050, -0.2145988016, 0.0889789874, -0.0501743046, 0.0308918810, -0.0170881256, 0.0066700901,
  -0.0012624911 }

--- Angles in degrees, otherwise the same. Sines of half the angle keep small ones exact, which a cosine near 1 does
-- not.
function angle.degrees(pred, target)
  local x, y, missing, n = element.vectors(pred, target, 2, true)
  x, y = unit(x), unit(y)
  local apart, along = (x - y):square():sum(2, true), (x + y):square():sum(2, true)
  local whole = (apart + along):clamp(least) -- 0 only where missing
  local blunt = apart:gt(along)
  local s = core.where(blunt, along, apart) / whole -- sin^2 of half the angle, or of half of what it lacks to 180
  local cos = 1 - 2 * s
  local p = P[#P]
  for i = #P - 1, 1, -1 do
    p = p * cos + P[i]
  end
  local acute = (2 * s:clamp(1e-20)):sqrt() * p
  return core.where(blunt, math.pi - acute, acute) * (180 / math.pi), missing, n
end

return angle
