--- What KPIs of ranking share: scores and labels of all that was seen, one column a question (yes or no, several of
-- them, or one class against the rest), and their differentiable forms over pairs.
local core = require "mtl.core"
local element = require "mtl.element"

local ranking = {}

-- Scores and labels as [rows, columns]; a label below 0 is missing.
local function columns(pred, target, score, ignore)
  if element.several(pred, target) then
    local classes = pred:shape(2)
    local y, missing = element.classes(target, ignore)
    local at, order = y:shape(), {}
    table.insert(at, 2, 1)
    for i = 1, pred:rank() do
      order[i] = i == 1 and 1 or i + 1
    end
    order[#order] = 2 -- classes last
    pred = missing and core.where(missing:reshape(at), 0, pred) or pred
    local x, own = score(pred, 2):permute(order):reshape(-1, classes), y:reshape(-1):one_hot(classes)
    return x, missing and core.where(missing:reshape(-1, 1), -1, own) or own
  end
  local x, y, missing = element.binary(pred, target)
  local width = target:dtype() == "float32" and y:count() // #target or 1 -- classes are one question, at every place
  y = y:ge(0.5)
  y = missing and core.where(missing, -1, y) or y
  return score(x):reshape(-1, width), y:reshape(-1, width)
end

-- Orders as the probability does, without its ties near 1 and 0.
local function sharp(x, dim)
  return dim and x:log_softmax(dim) or x
end

local function probability(x, dim)
  return dim and x:softmax(dim) or x:sigmoid()
end

function ranking.reset(self)
  self.scores, self.labels = {}, {}
end

function ranking.update(self, pred, target)
  if #target > 0 then
    local x, y = columns(pred:detach(), target, sharp, self.ignore)
    table.insert(self.scores, x)
    table.insert(self.labels, y)
  end
end

function ranking.merge(self, other)
  table.move(other.scores, 1, #other.scores, #self.scores + 1, self.scores)
  table.move(other.labels, 1, #other.labels, #self.labels + 1, self.labels)
end

--- Mean over the columns where it is defined of `f(groups, positives, negatives)`: groups of equal scores, the highest
-- first, each { positives, negatives }. nil where no column has both kinds that f asks for.
function ranking.value(self, f)
  if #self.scores == 0 then
    return nil
  end
  local scores, labels = core.cat(self.scores, 1), core.cat(self.labels, 1)
  self.scores, self.labels = { scores }, { labels }
  local sum, n = 0, 0
  for column = 1, scores:shape(2) do
    local sorted, order = scores:select(2, column):sort(1, true)
    local y = labels:select(2, column):take(1, order):totable()
    local groups, positives, negatives, last = {}, 0, 0, nil
    for i, s in ipairs(sorted:totable()) do
      if y[i] >= 0 then
        if s ~= last then
          groups[#groups + 1], last = { 0, 0 }, s
        end
        local kind = y[i] > 0.5 and 1 or 2
        groups[#groups][kind] = groups[#groups][kind] + 1
        positives, negatives = positives + (kind == 1 and 1 or 0), negatives + (kind == 2 and 1 or 0)
      end
    end
    local value = f(groups, positives, negatives)
    if value then
      sum, n = sum + value, n + 1
    end
  end
  return n > 0 and sum / n or nil
end

--- Mean over the columns of `f(above, positive, negative, counts)`: above[i][j] = sigmoid((s_j - s_i) / tau) of
-- probabilities, 0 on the diagonal; positive and negative are [rows, 1] masks.
function ranking.soft(self, pred, target, f)
  if #target == 0 then
    return nil
  end
  local p, y = columns(pred, target, probability, self.ignore)
  local rows, total, n = p:shape(1), nil, 0
  local index = core.arange(rows):to(p:device())
  local others = index:reshape(rows, 1):ne(index:reshape(1, rows))
  for column = 1, p:shape(2) do
    local s, label = p:select(2, column), y:select(2, column)
    local positive, negative = label:gt(0.5):reshape(rows, 1), label:eq(0):reshape(rows, 1)
    local above = ((s:reshape(1, rows) - s:reshape(rows, 1)) / self.tau):sigmoid() * others
    local value = f(above, positive, negative, positive:sum():item(), negative:sum():item())
    if value then
      total, n = total and total + value or value, n + 1
    end
  end
  return n > 0 and total / n or nil
end

return ranking
