--- Steps of a session, shown while they are made: on a terminal the tasks' figures, drawn over and over. ^C is heard
-- between two steps, so that it cuts none in half.
local core = require "mtl.core"
local figures = require "mtl.cli.figures"
local screen = require "mtl.cli.screen"
local text = require "mtl.cli.text"

local watch = {}

local AFTER, SECONDS = 0.5, 0.1 -- before the first drawing, and between two

-- A step's record as lines.
local function lines_of(record, tasks, columns, utf8)
  local names, results, sum = {}, {}, 0
  for _, task in ipairs(tasks) do
    local r = record.tasks[task.name]
    if r then
      names[#names + 1], results[#results + 1] = text.clean(task.name), r
      sum = sum + math.max(r.weight, 0)
    end
  end
  local lines = figures.lines(names, results, sum, columns, utf8)
  table.insert(lines, 1, text.clean(("step %s  epoch %d  %s  %s  lr %.3g  loss %s"):format(text.count(record.step),
    record.epoch, record.stage, record.policy, record.lr, text.loss(record.loss))))
  return lines
end

local function run(session, n, board)
  local utf8, began, drawn, record = text.utf8(), core.clock(), nil, nil
  for i = 1, n do
    record = session:step()
    local now = core.clock()
    if board and i < n and now - (drawn or began) >= (drawn and SECONDS or AFTER) then
      drawn = now
      local lines = lines_of(record, session.recipe.tasks, screen.columns() - 1, utf8)
      lines[1] = ("%d/%d  %s"):format(i, n, lines[1])
      board:draw(table.move(lines, 1, math.min(#lines, screen.height()), 1, {}))
    end
    if core.defer_interrupt(true) and i < n then
      error(("interrupted after step %d; step() goes on from there"):format(record.step), 0)
    end
  end
  return record
end

--- Makes n steps. @return the last one's record, which prints as the figures of its tasks
function watch.steps(session, n)
  local board = core.isatty(1) and os.getenv "TERM" ~= "dumb" and n > 1 and screen.new(io.stdout) or nil
  core.defer_interrupt(true)
  local ok, record = pcall(run, session, n, board)
  if board then
    board:close()
  end
  core.defer_interrupt(false)
  if session.warning then
    io.stderr:write("mtl: warning: ", text.clean(session.warning), "\n")
    session.warning = nil
  end
  if not ok then
    error(record, 0)
  end
  return setmetatable(record, { __tostring = function()
    return table.concat(lines_of(record, session.recipe.tasks, core.columns(1) or 100, text.utf8()), "\n")
  end })
end

return watch
