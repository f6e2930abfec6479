--- plot() at the prompt: curves of loss, smoothed KPI and weight.
local core = require "mtl.core"
local chart = require "mtl.cli.chart"
local curve = require "mtl.cli.curve"
local nearest = require "mtl.nearest"
local path = require "mtl.path"
local text = require "mtl.cli.text"

local curves = {}

local figures = { "loss", "kpi", "weight" }
local titles = { loss = "loss", kpi = "KPI, smoothed", weight = "weight" }
local keys = { loss = "loss", kpi = "kpi_ema", weight = "weight" }

-- What a terminal takes: three pictures of which each is five rows high at least.
local function size()
  local columns, rows = core.columns(1) or 80, core.rows(1) or 24
  local each = math.max(5, math.min(11, (rows - 14) // 3))
  return { columns = math.min(columns, 120), rows = each - 1 + each % 2 }
end

local function style()
  return { utf8 = text.utf8(), colour = core.isatty(1) and os.getenv "TERM" ~= "dumb"
    and (os.getenv "NO_COLOR" or "") == "" }
end

--- The function plot([run | folder of one] [, figure]) for what is at hand. @param at_hand function() -> curve, or nil
function curves.plot(at_hand)
  return function(of, figure)
    if type(of) == "string" and titles[of:lower()] and figure == nil then
      of, figure = nil, of
    end
    figure = type(figure) == "string" and figure:lower() or figure
    if figure ~= nil and not titles[figure] then
      error(nearest.unknown("figure", figure, figures), 0)
    end
    local folder = type(of) == "string" and of or type(of) == "table" and of.out
    if folder and not core.stat(path.join(folder, "metrics.jsonl")) then
      local near = nearest.find(folder, figures)
      error(("plot: '%s' is neither a run nor a figure; %s"):format(folder, near and ("did you mean '%s'?"):format(near)
        or "the figures are " .. table.concat(figures, ", ")), 0)
    end
    local drawn = folder and curve.read(path.join(folder, "metrics.jsonl")) or of == nil and at_hand()
    if not drawn then
      error("plot: it takes a run, or the folder of one; with a recipe at hand, plot() draws the steps made so far", 0)
    end
    for _, name in ipairs(figure and { figure } or figures) do
      print(table.concat(chart.lines(titles[name], drawn:series(keys[name]), size(), style()), "\n"))
    end
  end
end

return curves
