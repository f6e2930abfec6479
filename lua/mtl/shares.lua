--- Shares of the tasks of a step, points of the simplex that a policy moves from step to step: kept in the histories of
-- the tasks, 1/T for one that has just become active. While a task is absent its share waits.
local shares = {}

--- @param histories of history.all
-- @return the shares of this step's tasks by position, brought to sum 1
function shares.of(histories)
  local n, list, sum = #histories, {}, 0
  for i, h in ipairs(histories) do
    list[i] = h.share or 1 / n
    sum = sum + list[i]
  end
  for i = 1, n do
    list[i] = sum > 0 and list[i] / sum or 1 / n
  end
  return list
end

--- Keeps new shares. @return them
function shares.keep(histories, list)
  for i, h in ipairs(histories) do
    h.share = list[i]
  end
  return list
end

return shares
