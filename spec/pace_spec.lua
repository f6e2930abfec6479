local pace = require "mtl.pace"

-- A training whose step takes cost(threads, time) seconds.
local function run(most, cost, seconds)
  local now, threads = 0, most
  local p = pace.new(most, function() return now end, function(n) threads = n end)
  local used = {}
  while now < seconds do
    local step = cost(threads, now)
    now = now + step
    used[threads] = (used[threads] or 0) + step
    p:step(step)
  end
  local last = threads
  p:pause()
  return { last = last, share = function(n) return (used[n] or 0) / now end, closed = threads }
end

describe("the number of threads", function()
  it("falls where fewer are faster", function()
    local r = run(8, function(n) return 1e-3 + 1e-4 * n end, 60)
    assert.is_true(r.last <= 2 and r.share(1) > 0.9)
    assert.equal(8, r.closed)
  end)

  it("stays where all of them help", function()
    local r = run(8, function(n) return 8e-3 / n end, 60)
    assert.is_true(r.share(8) > 0.95)
  end)

  it("finds one between", function()
    local r = run(16, function(n) return 4e-3 / n + 2.5e-4 * n end, 60) -- least at 4
    assert.is_true(r.share(4) > 0.9)
  end)

  it("follows what the machine has left", function()
    local r = run(4, function(n, now) return (now > 30 and now < 90 and 2 ^ n or 4 / n) * 1e-3 end, 150)
    assert.is_true(r.share(1) > 0.25 and r.share(4) > 0.5)
    assert.equal(4, r.last)
  end)

  it("is not tried in long steps, but comes back in them", function()
    assert.is_true(run(4, function(n) return 0.4 / n end, 100).share(4) == 1)
    local r = run(4, function(n, now) return now < 10 and 1e-3 * n or 0.4 / n end, 200)
    assert.equal(4, r.last)
  end)

  it("is one where one was given", function()
    local r = run(1, function() return 1e-3 end, 30)
    assert.is_true(r.share(1) == 1)
  end)
end)
