--- Lines that show how tasks stand while a training goes on.
local core = require "mtl.core"
local text = require "mtl.cli.text"

local figures = {}

-- What a task's line may say after the name: the first of these that fits is drawn, so that every figure is whole.
-- bar: its columns; name: columns that the name is shortened to, if need be.
local layouts = {
  { "loss", "kpi", "smooth", "weight", bar = 10 },
  { "loss", "kpi", "smooth", "weight", bar = 4 },
  { "loss", "kpi", "smooth", "weight", name = 12 },
  { "loss", "kpi", "weight", name = 12 },
  { "short_loss", "kpi", "short_weight", name = 7 },
  { "short_loss", "kpi", name = 7 },
  { "kpi", name = 4 },
  { name = 0 },
}

local fields = {
  loss = function(r)
    return ("loss %9s"):format(text.loss(r.loss))
  end,
  kpi = function(r, bar)
    return ("KPI %6s"):format(text.kpi(r.kpi)) .. bar(r.kpi ~= core.null and r.kpi or 0)
  end,
  smooth = function(r)
    return ("smooth %6s"):format(text.kpi(r.kpi_ema))
  end,
  weight = function(r, bar, share)
    return ("weight %9s"):format(text.number(r.weight)) .. bar(share)
  end,
  short_loss = function(r)
    return ("loss %6s"):format(text.loss(r.loss))
  end,
  short_weight = function(r)
    return ("weight %6s"):format(text.number(r.weight, "%.3g"))
  end,
}

-- The fields of a layout for every task, and the columns that the longest takes.
local function fill(layout, results, sum, in_utf8)
  local list, most = {}, 0
  local function bar(fraction)
    return layout.bar and " " .. text.bar(fraction, layout.bar, in_utf8 and "block" or "ascii") or ""
  end
  for i, r in ipairs(results) do
    list[i] = ""
    for _, field in ipairs(layout) do
      list[i] = list[i] .. "  " .. fields[field](r, bar, sum > 0 and r.weight / sum or 0)
    end
    most = math.max(most, text.width(list[i]))
  end
  return list, most
end

--- Lines of at most so many columns, aligned. @param names of the tasks
-- @param results of the last step: { loss =, kpi =, kpi_ema =, weight = } for each name
-- @param sum of the weights of all tasks
function figures.lines(names, results, sum, columns, in_utf8)
  local width = 4
  for _, name in ipairs(names) do
    width = math.max(width, text.width(name))
  end
  width = math.min(width, columns // 4)
  for _, layout in ipairs(layouts) do
    local lines, most = fill(layout, results, sum, in_utf8)
    local room = math.max(columns - 2 - most, 0)
    if room >= math.min(width, layout.name or width) then
      local n = math.min(width, room)
      for i, name in ipairs(names) do
        lines[i] = "  " .. text.pad(text.shorten(name, n, in_utf8), n) .. lines[i]
      end
      return lines
    end
  end
end

return figures
