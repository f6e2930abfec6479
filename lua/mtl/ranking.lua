--- What KPIs of ranking share: scores and labels of all that was seen, one column a question (yes or no, several of
-- them, or one class against the rest), and their differentiable forms over pairs.
local core = require "mtl.core"
local element = require "mtl.element"

local ranking = {}

-- Scores as [rows, columns].
local function scores_of(pred, target, score, ignore)
  if element.several(pred, target) then
    local y, missing = element.classes(target, ignore)
    local at, order = y:shape(), {}
    table.insert(at, 2, 1)
    for i = 1, pred:rank() do
      order[i] = i == 1 and 1 or i + 1
    end
    order[#order] = 2 -- classes last
    pred = missing and core.where(missing:reshape(at), 0, pred) or pred
    return score(pred, 2):permute(order):reshape(-1, pred:shape(2))
  end
  local width = target:dtype() == "float32" and target:count() // #target or 1 -- classes: one question at every place
  return score((element.binary(pred, target))):reshape(-1, width)
end

-- Labels of those scores, on the CPU; below 0: missing.
local function labels_of(scores, pred, target, ignore)
  target = target:host()
  if element.several(pred, target) then
    local y, missing = element.classes(target, ignore)
    local own = y:reshape(-1):one_hot(pred:shape(2))
    return missing and core.where(missing:reshape(-1, 1), -1, own) or own
  end
  local y = element.truth(target)
  return core.where(y:isnan(), -1, y:ge(0.5)):reshape(scores:shape())
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
    local scores = scores_of(pred:detach(), target, sharp, self.ignore)
    table.insert(self.scores, scores)
    table.insert(self.labels, labels_of(scores, pred, target, self.ignore))
  end
end

function ranking.holds(self)
  local n = 0
  for _, scores in ipairs(self.scores) do
    n = n + scores:count()
  end
  return n
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
  scores = scores:to "cpu"
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
  local p = scores_of(pred, target, probability, self.ignore)
  local y = labels_of(p, pred, target, self.ignore)
  local rows, total, defined = p:shape(1), nil, 0
  local index = core.arange(rows):to(p:device())
  local others = index:reshape(rows, 1):ne(index:reshape(1, rows))
  for column = 1, p:shape(2) do
    local s, label = p:select(2, column), y:select(2, column):reshape(rows, 1)
    local positive, negative = label:gt(0.5), label:eq(0)
    local above = ((s:reshape(1, rows) - s:reshape(rows, 1)) / self.tau):sigmoid() * others
    local n, m = positive:sum():item(), negative:sum():item()
    local value = f(above, positive:to(p:device()), negative:to(p:device()), n, m)
    if value then
      total, defined = total and total + value or value, defined + 1
    end
  end
  return defined > 0 and total / defined or nil
end

return ranking
