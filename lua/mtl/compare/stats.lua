--- The statistics of a comparison, on plain numbers: Student's t, paired intervals, Holm's correction, the smallest
-- difference that could have been seen, ranks, delta m and delta p.
local stats = {}

-- log of the gamma function for x >= 0.5 (Lanczos, g = 7)
local lanczos = { 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7 }

local function lgamma(x)
  local sum = 0.99999999999980993
  for i, c in ipairs(lanczos) do
    sum = sum + c / (x - 1 + i)
  end
  local t = x + 6.5
  return 0.5 * math.log(2 * math.pi) + (x - 0.5) * math.log(t) - t + math.log(sum)
end

-- The continued fraction of the incomplete beta function, by Lentz's method.
local function fraction(a, b, x)
  local function apart(v)
    return math.abs(v) < 1e-300 and 1e-300 or v
  end
  local c, d = 1, 1 / apart(1 - (a + b) * x / (a + 1))
  local h = d
  for m = 1, 10000 do
    local even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
    local odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    d, c = 1 / apart(1 + even * d), apart(1 + even / c)
    h = h * d * c
    d, c = 1 / apart(1 + odd * d), apart(1 + odd / c)
    h = h * d * c
    if math.abs(d * c - 1) < 1e-15 then
      break
    end
  end
  return h
end

--- The regularised incomplete beta function.
function stats.beta(a, b, x)
  if x <= 0 or x >= 1 then
    return x <= 0 and 0 or 1
  end
  local front = math.exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * math.log(x) + b * math.log(1 - x))
  if x < (a + 1) / (a + b + 2) then
    return front * fraction(a, b, x) / a
  end
  return 1 - front * fraction(b, a, 1 - x) / b
end

--- P(|T| >= t) of Student's t with v degrees of freedom.
function stats.two_sided(t, v)
  return stats.beta(v / 2, 0.5, v / (v + t * t))
end

--- The t with P(|T| >= t) = p.
function stats.t_of(p, v)
  local low, high = 0, 1
  while stats.two_sided(high, v) > p do
    low, high = high, high * 2
  end
  for _ = 1, 100 do
    local middle = (low + high) / 2
    if stats.two_sided(middle, v) > p then
      low = middle
    else
      high = middle
    end
  end
  return (low + high) / 2
end

--- @return mean, standard deviation (N - 1; nil under two values)
function stats.mean(values)
  local n, sum, squares = #values, 0, 0
  for _, x in ipairs(values) do
    sum = sum + x
  end
  local mean = sum / n
  for _, x in ipairs(values) do
    squares = squares + (x - mean) ^ 2
  end
  return n > 0 and mean or nil, n > 1 and math.sqrt(squares / (n - 1)) or nil
end

--- What values say of their mean: { n, mean, sd, half }: half the width of the interval of 1 - alpha, from 3 values on.
function stats.summary(values, alpha)
  local mean, sd = stats.mean(values)
  local s = { n = #values, mean = mean, sd = sd }
  if s.n >= 3 then
    s.half = stats.t_of(alpha or 0.05, s.n - 1) * sd / math.sqrt(s.n)
  end
  return s
end

--- The same of differences, with t and p (two-sided, that their mean is 0).
function stats.paired(differences, alpha)
  local s = stats.summary(differences, alpha)
  if s.half then
    local error_of_mean = s.sd / math.sqrt(s.n)
    s.t = s.mean == 0 and 0 or s.mean / error_of_mean -- differences that are all the same: infinite
    s.p = s.t == 0 and 1 or error_of_mean == 0 and 0 or stats.two_sided(s.t, s.n - 1)
  end
  return s
end

--- The true difference that a test at alpha / tests would have seen in four of five such comparisons.
function stats.detectable(sd, n, tests, alpha)
  local v = n - 1
  return (stats.t_of((alpha or 0.05) / tests, v) + stats.t_of(0.4, v)) * sd / math.sqrt(n)
end

--- Holm's step-down correction: adjusted p values in the order given.
function stats.holm(ps)
  local order, adjusted, largest = {}, {}, 0
  for i in ipairs(ps) do
    order[i] = i
  end
  table.sort(order, function(a, b)
    return ps[a] < ps[b] or ps[a] == ps[b] and a < b
  end)
  for rank, i in ipairs(order) do
    largest = math.max(largest, math.min(1, (#ps - rank + 1) * ps[i]))
    adjusted[i] = largest
  end
  return adjusted
end

--- Ranks from 1 (the best), ties averaged. @param higher whether higher is better
function stats.ranks(values, higher)
  local ranks = {}
  for i, x in ipairs(values) do
    local better, same = 0, 0
    for _, y in ipairs(values) do
      better = better + ((higher and y > x or not higher and y < x) and 1 or 0)
      same = same + (y == x and 1 or 0)
    end
    ranks[i] = better + (same + 1) / 2
  end
  return ranks
end

--- Delta m and delta p in per cent of one run against single-task runs. Delta m: the mean over all metrics of the
-- relative change, signed so that lower is better. Delta p: the mean over tasks of the mean over the task's metrics,
-- signed so that higher is better.
-- @param metrics { { task =, higher = }, ... }; run and single hold their values, by place
function stats.deltas(metrics, run, single)
  local all, by_task, n_tasks = 0, {}, 0
  for i, metric in ipairs(metrics) do
    local change = (run[i] - single[i]) / single[i] * (metric.higher and 1 or -1)
    local task = by_task[metric.task]
    if not task then
      task = { sum = 0, n = 0 }
      by_task[metric.task], n_tasks = task, n_tasks + 1
    end
    task.sum, task.n = task.sum + change, task.n + 1
    all = all - change
  end
  local sum = 0
  for _, metric in ipairs(metrics) do -- each task as often as it has metrics: the order of pairs is nobody's
    local task = by_task[metric.task]
    sum = sum + task.sum / task.n / task.n
  end
  if #metrics == 0 then
    return nil, nil
  end
  return 100 * all / #metrics, 100 * sum / n_tasks
end

--- Metrics that delta m leaves out: a single-task value is missing, within 1e-6 of 0, or changes sign with the seed.
-- @param singles list (by seed) of values by the metric's place
-- @return set of places
function stats.left_out(metrics, singles)
  local out = {}
  for i in ipairs(metrics) do
    local above, below
    for _, values in ipairs(singles) do
      local x = values[i]
      out[i] = out[i] or not x or math.abs(x) < 1e-6 or nil
      above, below = above or x and x > 0, below or x and x < 0
    end
    out[i] = out[i] or above and below or nil
  end
  return out
end

return stats
