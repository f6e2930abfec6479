--- How many threads the steps of a training use: at most as many as it was given, and fewer where that is faster, as
-- for small networks, whose threads wait for one another longer than they work, and beside other programs. Now and then
-- the double or the half of them is tried for some steps. What is computed does not depend on it, to the bit.
local core = require "mtl.core"

local pace = {}
pace.__index = pace

local STEPS = 8      -- timed in a row
local ROUNDS = 2     -- of so many steps with each of the two numbers
local SECONDS = 20   -- from one trial to the next, at least
local SHARE = 50     -- and so many times what the last one took: trials may be slow
local LONGEST = 0.1  -- seconds: steps that are longer have work for every thread
local GAIN = 0.97    -- a number of threads that is not faster than this by ratio changes nothing

--- @param clock function() -> seconds, for tests
-- @param set function(threads), for tests
function pace.new(most, clock, set)
  return setmetatable({ most = most, now = most, clock = clock or core.clock, set = set or core.threads, skip = STEPS },
    pace)
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

local function other(self)
  local n = self.up and self.now * 2 or self.now // 2
  return math.max(1, math.min(n, self.most))
end

local function begin(self)
  if other(self) == self.now then
    self.up = not self.up
  end
  self.rival, self.times, self.block, self.began = other(self), { {}, {} }, 1, self.clock()
end

-- Ends a trial. A number that was faster is followed by a further one in the same direction.
local function decide(self)
  local faster = median(self.times[2]) < GAIN * median(self.times[1])
  if faster then
    self.now = self.rival
  else
    self.up = not self.up
  end
  self.times = nil
  self.set(self.now)
  local now = self.clock()
  self.next = now + (faster and 0 or math.max(SECONDS, SHARE * (now - self.began)))
end

--- To be told of every step how many seconds it took.
function pace:step(seconds)
  if self.most == 1 then
    return
  elseif self.skip > 0 then -- the first steps find no memory yet
    self.skip = self.skip - 1
  elseif not self.times then
    if (not self.next or self.clock() >= self.next) and (seconds < LONGEST or self.now < self.most) then
      begin(self)
    end
  else
    local list = self.times[2 - self.block % 2]
    list[#list + 1] = seconds
    if #list % STEPS == 0 then
      self.block = self.block + 1
      if self.block > 2 * ROUNDS then
        return decide(self)
      end
      self.set(self.block % 2 == 1 and self.now or self.rival)
    end
  end
end

--- For what is no step: the number that was given.
function pace:pause()
  self.set(self.most)
end

--- Steps again.
function pace:resume()
  self.set(self.times and self.block % 2 == 0 and self.rival or self.now)
end

return pace
