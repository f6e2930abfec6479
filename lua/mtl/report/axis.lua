--- Axes of charts: ranges, whether they are logarithmic, and their marks.
local svg = require "mtl.svg"

local axis = {}

--- A figure of at most four digits: 0.1234, 12.3, 1500, 20k, 1.2M, 1.5e-07.
function axis.figure(x)
  local size = math.abs(x)
  if size >= 1e4 and size < 1e12 then
    for _, unit in ipairs { { 1e9, "G" }, { 1e6, "M" }, { 1e3, "k" } } do
      if size >= unit[1] then
        return ("%.4g%s"):format(x / unit[1], unit[2])
      end
    end
  end
  return ("%.4g"):format(x)
end

local function marks_of(low, high, n)
  local list, step = {}, svg.step(high - low, n)
  for k = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6) do
    list[#list + 1] = k * step
  end
  return list
end

-- Powers of ten, and where there are few of them 2 and 5 of each.
local function log_marks(low, high)
  local list, first, last = {}, math.floor(math.log(low, 10)), math.ceil(math.log(high, 10))
  local every = math.max(1, math.ceil((last - first) / 6))
  for _, k in ipairs(last - first <= 3 and { 1, 2, 5 } or { 1 }) do
    for e = first, last, every do
      local x = k * 10.0 ^ e
      list[#list + 1] = x >= low * 0.999 and x <= high * 1.001 and x or nil
    end
  end
  return list
end

--- An axis over values from low to high: { low =, high =, log =, marks =, place = function(x) -> 0 to 1 }.
-- @param o log = "auto": logarithmic where all values are above 0 and span more than a factor of 50; fixed: without
-- room beyond the ends; n: marks, about
function axis.new(low, high, o)
  local self = { log = o.log == "auto" and low > 0 and high / low > 50 }
  if self.log then
    local from, to = math.log(low), math.log(high)
    local pad = 0.04 * (to - from)
    self.low, self.high = math.exp(from - pad), math.exp(to + pad)
    self.marks = log_marks(self.low, self.high)
    function self.place(x)
      return x > 0 and (math.log(x) - from + pad) / (to - from + 2 * pad) or 0
    end
    return self
  end
  if high - low <= 1e-9 * math.max(math.abs(low), math.abs(high)) then -- all the same
    local room = low ~= 0 and math.abs(low) / 2 or 1
    low, high = low - room, high + room
  elseif not o.fixed then
    local pad = 0.05 * (high - low)
    low, high = (low >= 0 and low - pad < 0) and 0 or low - pad, high + pad
  end
  self.low, self.high, self.marks = low, high, marks_of(low, high, o.n or 4)
  function self.place(x)
    return (x - low) / (high - low)
  end
  return self
end

return axis
