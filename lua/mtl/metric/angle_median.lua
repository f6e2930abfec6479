--- Median angle in degrees between vectors (dimension 2), as of surface normals. Of an even number it is the mean of
-- the two in the middle. A vector whose target has a NaN or is all 0 is left out. Exact over all that was seen, so
-- every angle is kept: 4 bytes a pixel (654 images of 288 x 384: 290 MB), and no more than a batch's share again to
-- find the median, which is not sorted for but counted: 32 halvings of the bits of a float.
--
-- @formula the median of a, the angle between prediction and target in degrees
-- @when the task gives directions, and a few that are far off should not decide
-- @sample mtl.tensor { { 1, 0 }, { 1, 1 }, { 0, 1 } }, mtl.tensor { { 2, 0 }, { 1, 0 }, { 1, 0 } }
local metric = require "mtl.metric"
local core = require "mtl.core"
local angle = require "mtl.angle"
local fits = require "mtl.fits"

local function float_of(bits)
  return string.unpack("<f", string.pack("<I4", bits))
end

-- The k-th smallest: the least float that k angles do not exceed. Bits of positive floats are in their order.
local function smallest(list, k)
  local low, high = 0, string.unpack("<I4", string.pack("<f", 180.1))
  while low < high do
    local middle = (low + high) // 2
    local bound, n = float_of(middle), 0
    for _, degrees in ipairs(list) do
      local below <close> = degrees:le(bound) -- NaN is not
      local count <close> = below:sum()
      n = n + count:item()
    end
    if n >= k then
      high = middle
    else
      low = middle + 1
    end
  end
  return float_of(low)
end

return metric.define {
  name = "angle_median",
  fits = fits.vectors,
  reset = function(self)
    self.angles, self.n = {}, 0
  end,
  update = function(self, pred, target)
    local degrees, missing, n = angle.degrees(pred:detach(), target)
    table.insert(self.angles, missing and core.where(missing, 0 / 0, degrees) or degrees)
    self.n = self.n + n
  end,
  merge = function(self, other)
    table.move(other.angles, 1, #other.angles, #self.angles + 1, self.angles)
    self.n = self.n + other.n
  end,
  value = function(self)
    if self.n == 0 then
      return nil
    end
    local low = smallest(self.angles, (self.n + 1) // 2)
    return self.n % 2 == 1 and low or (low + smallest(self.angles, self.n // 2 + 1)) / 2
  end,
}
