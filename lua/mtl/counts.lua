--- What meters count, self.counts, of which a part may still lie on a device: it is read when the counts are asked for.
local core = require "mtl.core"

local counts = {}
local waiting = setmetatable({}, { __mode = "k" }) -- by the table of counts: list of { f, later }

--- Calls f(self.counts, numbers) with what these tensors hold: at once on the CPU, else by the time that the counts are
-- asked for.
function counts.add(self, f, ...)
  local later = core.later(...)
  if type(later) == "table" then
    return f(self.counts, later)
  end
  local list = waiting[self.counts] or {}
  waiting[self.counts] = list
  list[#list + 1] = { f, later }
end

--- self.counts, with all that was added.
function counts.of(self)
  local own = self.counts
  local list = waiting[own]
  if list then
    waiting[own] = nil
    for _, w in ipairs(list) do
      w[1](own, w[2]())
    end
  end
  return own
end

--- Adds a tensor's number to the count `name`, and n to the count n.
function counts.sum(self, name, tensor, n)
  self.counts.n = self.counts.n + n
  counts.add(self, function(own, x)
    own[name] = own[name] + x[1]
  end, tensor)
end

--- Adds those of another meter: counts that are numbers.
function counts.merge(self, other)
  local own = counts.of(self)
  for name, x in pairs(counts.of(other)) do
    own[name] = own[name] + x
  end
end

--- The mean: the count `name` by the count n; nil where n is 0.
function counts.mean(self, name)
  local own = counts.of(self)
  return own.n > 0 and own[name] / own.n or nil
end

return counts
