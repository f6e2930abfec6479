--- When a stage ends. `a | b`: when either holds; `a & b`: when both do.
-- `decl:done(state, ev)`: state is a plain table, empty at the start of the stage and kept between calls; ev = { steps,
-- epochs (done in this stage), epoch_end (boolean), kpis = { task = validation KPI } (at the end of an epoch) }.
-- `decl:length(per_epoch)`: steps after which it surely holds; nil where it may never.
-- `decl:reads()`: the tasks whose KPIs it reads.
local declare = require "mtl.declare"

local methods = {}

function methods.reads()
  return {}
end

function methods.length()
  return nil
end

local join = {} -- constructors of combinations, made below

local function combine(name)
  return function(a, b)
    if not (declare.is(a, "when") and declare.is(b, "when")) then
      declare.fail "when: | and & combine two conditions, as when.epochs(9) | when.kpi(\"left\", 0.9)"
    end
    return join[name](a, b)
  end
end

local when = declare.family("when", { methods = methods, bor = combine "either", band = combine "both" })

--- After n epochs of the stage.
when.define {
  name = "epochs",
  positional = { "n" },
  params = { n = { required = true, type = "size" } },
  done = function(self, _, ev)
    return ev.epochs >= self.n
  end,
  length = function(self, per_epoch)
    return self.n * per_epoch
  end,
}

--- After n steps of the stage.
when.define {
  name = "steps",
  positional = { "n" },
  params = { n = { required = true, type = "size" } },
  done = function(self, _, ev)
    return ev.steps >= self.n
  end,
  length = function(self)
    return self.n
  end,
}

--- When the validation KPI of a task has reached a threshold at the last end of an epoch: when.kpi("left", 0.9).
when.define {
  name = "kpi",
  positional = { "task", "threshold" },
  params = {
    task = { required = true, type = "string" },
    threshold = { required = true, type = "number", above = 0, most = 1 },
  },
  done = function(self, state, ev)
    if ev.epoch_end then
      local kpi = ev.kpis and ev.kpis[self.task]
      state.reached = kpi ~= nil and kpi >= self.threshold
    end
    return state.reached or false
  end,
  reads = function(self)
    return { self.task }
  end,
}

--- When the validation KPI of a task has not risen by more than `min_delta` (0) for `patience` epochs.
when.define {
  name = "plateau",
  params = {
    task = { required = true, type = "string" },
    patience = { required = true, type = "size" },
    min_delta = { default = 0, type = "number", least = 0 },
  },
  done = function(self, state, ev)
    if ev.epoch_end then
      local kpi = ev.kpis and ev.kpis[self.task]
      if kpi and (not state.best or kpi > state.best + self.min_delta) then
        state.best, state.waited = kpi, 0
      elseif state.best then
        state.waited = state.waited + 1
      end
    end
    return state.best ~= nil and state.waited >= self.patience
  end,
  reads = function(self)
    return { self.task }
  end,
}

-- Both parts see every event: a plateau counts on while it waits for the other.
local function parts(self, state, ev)
  state.a, state.b = state.a or {}, state.b or {}
  local a, b = self.a:done(state.a, ev), self.b:done(state.b, ev)
  return a, b
end

local function reads(self)
  local list = self.a:reads()
  return table.move(self.b:reads(), 1, #self.b:reads(), #list + 1, list)
end

local function pick(choose, x, y)
  return x and y and choose(x, y) or x or y
end

local both_parts = { a = { required = true, type = "when" }, b = { required = true, type = "when" } }

join.either = when.define {
  name = "either",
  positional = { "a", "b" },
  params = both_parts,
  reads = reads,
  done = function(self, state, ev)
    local a, b = parts(self, state, ev)
    return a or b
  end,
  length = function(self, per_epoch)
    return pick(math.min, self.a:length(per_epoch), self.b:length(per_epoch))
  end,
}

join.both = when.define {
  name = "both",
  positional = { "a", "b" },
  params = both_parts,
  reads = reads,
  done = function(self, state, ev)
    local a, b = parts(self, state, ev)
    return a and b
  end,
  length = function(self, per_epoch)
    local a, b = self.a:length(per_epoch), self.b:length(per_epoch)
    return a and b and math.max(a, b)
  end,
}

return when
