--- The test split in a report: figures, confusion matrices, scatters, the first rows.
local axis = require "mtl.report.axis"
local core = require "mtl.core"
local html = require "mtl.report.html"
local svg = require "mtl.svg"
local text = require "mtl.cli.text"

local tested = {}

local MOST_CLASSES, MOST_CONFUSIONS = 20, 20

-- ---- figures ----

local function names_of(runs, task)
  local names, seen = {}, {}
  for _, run in ipairs(runs) do
    local t = run.test and run.test[task]
    for name in pairs(type(t) == "table" and type(t.metrics) == "table" and t.metrics or {}) do
      if not seen[name] then
        seen[name], names[#names + 1] = true, name
      end
    end
  end
  table.sort(names)
  return names
end

local function figure(x, format)
  return type(x) == "number" and text[format](x) or "-"
end

--- A table of losses, KPIs and metrics, a column a run; nil where no run was tested. The best KPI is bold.
function tested.figures(runs, tasks)
  local head, rows, any = { "task", "" }, {}, false
  for _, run in ipairs(runs) do
    head[#head + 1], any = #runs > 1 and html.mark(run) or "test", any or run.test ~= nil
  end
  for _, task in ipairs(tasks) do
    local list = { { "KPI", "kpi", "kpi" }, { "loss", "loss", "loss" } }
    for _, name in ipairs(names_of(runs, task)) do
      list[#list + 1] = { name, nil, "number" }
    end
    for i, one in ipairs(list) do
      local row, best = { i == 1 and html.text(task) or "", html.text(one[1]) }, -math.huge
      local values = {}
      for k, run in ipairs(runs) do
        local t = run.test and type(run.test[task]) == "table" and run.test[task] or {}
        values[k] = one[2] and t[one[2]] or not one[2] and type(t.metrics) == "table" and t.metrics[one[1]] or false
        best = i == 1 and type(values[k]) == "number" and math.max(best, values[k]) or best
      end
      for k in ipairs(runs) do
        local cell = figure(values[k], one[3])
        row[#row + 1] = #runs > 1 and values[k] == best and "<b>" .. cell .. "</b>" or cell
      end
      rows[#rows + 1] = row
    end
  end
  return any and html.table(head, rows, { class = "figures", key = true }) or nil
end

-- ---- confusion ----

local function confusion_list(task)
  local list = {}
  for i, row in ipairs(task.matrix) do
    for j, n in ipairs(row) do
      if i ~= j and n > 0 then
        list[#list + 1] = { i, j, n }
      end
    end
  end
  table.sort(list, function(a, b)
    return a[3] > b[3] or a[3] == b[3] and (a[1] < b[1] or a[1] == b[1] and a[2] < b[2])
  end)
  local rows = {}
  for k = 1, math.min(#list, MOST_CONFUSIONS) do
    local i, j, n = table.unpack(list[k])
    rows[k] = { html.text(task.labels[i]), html.text(task.labels[j]), text.count(n) }
  end
  return ("<p class=\"note\">%d classes; the confusions that occur most:</p>"):format(#task.matrix)
    .. html.table({ "truth", "prediction", "rows" }, rows, { class = "figures" })
end

local function cell(task, i, j, sum)
  local n = task.matrix[i][j]
  local share = sum > 0 and n / sum or 0
  return ('<td class="%s" style="--s:%.2f" title="truth %s, prediction %s: %s, %.1f %% of this truth">%s</td>'):format(
    share > 0.5 and "hi" or "", share, html.text(task.labels[i]), html.text(task.labels[j]), text.count(n), 100 * share,
    n > 0 and text.count(n) or "")
end

local function matrix(task)
  local n = #task.matrix
  if n > MOST_CLASSES then
    return confusion_list(task)
  end
  local out = { '<div class="scroll"><table class="confusion"><thead><tr><th></th><th colspan="', n,
    '">prediction</th></tr><tr><th>truth</th>' }
  local function short(i)
    return html.text(text.shorten(text.clean(task.labels[i]), 12, true))
  end
  for j = 1, n do
    out[#out + 1] = "<th>" .. short(j) .. "</th>"
  end
  out[#out + 1] = "</tr></thead>"
  for i, row in ipairs(task.matrix) do
    local sum = 0
    for _, x in ipairs(row) do
      sum = sum + x
    end
    out[#out + 1] = '<tr><th scope="row">' .. short(i) .. "</th>"
    for j = 1, n do
      out[#out + 1] = cell(task, i, j, sum)
    end
    out[#out + 1] = "</tr>"
  end
  out[#out + 1] = "</table></div>"
  return table.concat(out)
end

-- ---- scatter ----

local SIZE, LEFT, TOP, BOTTOM = 240, 56, 8, 36

local function ends(task)
  local low, high = math.huge, -math.huge
  for _, list in ipairs { task.truth, task.predicted } do
    for _, x in ipairs(list) do
      low, high = math.min(low, x), math.max(high, x)
    end
  end
  return low, high
end

local function scatter(task, class)
  local low, high = ends(task)
  if low > high then
    return nil
  end
  local a = axis.new(low, high, { log = "auto", n = 4 }) -- one for both, so that what is right lies on the diagonal
  local function x_of(v)
    return LEFT + SIZE * a.place(v)
  end
  local function y_of(v)
    return TOP + SIZE * (1 - a.place(v))
  end
  local page = svg.inline(LEFT + SIZE + 24, TOP + SIZE + BOTTOM, task.name .. ": prediction by truth")
  for _, mark in ipairs(a.marks) do
    page:add('<path class="rule" d="M%d %.1fh%dM%.1f %dv%d"/>', LEFT, y_of(mark), SIZE, x_of(mark), TOP, SIZE)
    page:add('<text x="%d" y="%.1f" text-anchor="end">%s</text>', LEFT - 4, y_of(mark) + 3.5, axis.figure(mark))
    page:add('<text x="%.1f" y="%d" text-anchor="middle">%s</text>', x_of(mark), TOP + SIZE + 14, axis.figure(mark))
  end
  page:add('<path class="axis" d="M%d %dv%dh%d"/>', LEFT, TOP, SIZE, SIZE)
  page:add('<path class="axis" d="M%d %dl%d %d"/>', LEFT, TOP + SIZE, SIZE, -SIZE)
  local d = {}
  for i, x in ipairs(task.truth) do
    d[i] = ("M%.1f %.1fl0 0"):format(x_of(x), y_of(task.predicted[i]))
  end
  page:add('<path class="points %s" d="%s"/>', class, table.concat(d))
  page:add('<text class="small" x="%d" y="%d" text-anchor="middle">truth%s</text>', LEFT + SIZE // 2, TOP + SIZE + 30,
    a.log and " (log scale)" or "")
  page:add('<text class="small" transform="translate(10 %d) rotate(-90)" text-anchor="middle">prediction</text>',
    TOP + SIZE // 2)
  return table.concat(page, "\n") .. "</svg>"
end

local function of_task(figures, runs, name)
  for _, run in ipairs(runs) do
    for _, task in ipairs(run.details and run.details.tasks or {}) do
      if task.name == name then
        local title = ("<b>%s</b> %s%s"):format(html.text(name), task.matrix and "confusion matrix"
          or ("prediction by truth, %d of %s"):format(#(task.truth or {}), text.count(task.of or 0)),
          #runs > 1 and " " .. html.mark(run) or "")
        figures[#figures + 1] = html.figure(title, task.matrix and matrix(task)
          or task.truth and scatter(task, run.class))
      end
    end
  end
end

-- ---- rows ----

local function shown(x)
  if type(x) ~= "table" then
    return x == core.null and "-" or html.text(x)
  elseif type(x.image) == "string" then
    return ('<img alt="" src="data:image/png;base64,%s">'):format((x.image:gsub("[^%w+/=]", "")))
  end
  local list = {}
  for i, value in ipairs(x.numbers or x) do
    list[i] = type(value) == "number" and ("%.5g"):format(value) or "-"
  end
  return table.concat(list, ", ")
end

local function prediction(p)
  if type(p) ~= "table" then
    return "", ""
  end
  local label = type(p.truth) == "string" or type(p.predicted) == "string"
  return shown(p.truth), (label and type(p.truth) == "string" and (p.right and "<span class=\"right\">✓</span> "
    or "<span class=\"wrong\">✗</span> ") or "") .. shown(p.predicted)
    .. (type(p.p) == "number" and (" <small>%.0f %%</small>"):format(100 * p.p) or "")
end

local function rows_of(run, list)
  local head, rows, inputs = { "row" }, {}, {}
  for k, x in ipairs(list[1].inputs) do
    if not x.shape then -- too many numbers to show
      inputs[#inputs + 1], head[#head + 1] = k, #list[1].inputs > 1 and "input " .. k or "input"
    end
  end
  local names = {}
  for _, task in ipairs(run.details.tasks) do
    if list[1].tasks[task.name] then
      names[#names + 1] = task.name
      head[#head + 1], head[#head + 2] = html.text(task.name) .. "<br>truth", "prediction"
    end
  end
  for r, row in ipairs(list) do
    local cells = { r }
    for _, k in ipairs(inputs) do
      cells[#cells + 1] = shown(row.inputs[k])
    end
    for _, name in ipairs(names) do
      cells[#cells + 1], cells[#cells + 2] = prediction(row.tasks[name])
    end
    rows[r] = cells
  end
  return html.table(head, rows, { class = "rows" })
end

--- Confusion matrices and scatters of each task, then the first rows of each run. @return HTML, or nil
function tested.details(runs, tasks)
  local figures = {}
  for _, name in ipairs(tasks) do
    of_task(figures, runs, name)
  end
  local parts = { html.grid(figures, "wide") }
  for _, run in ipairs(runs) do
    for _, list in ipairs(run.details and run.details.rows or {}) do
      parts[#parts + 1] = ("<h3>The first rows of the test split %s</h3>"):format(#runs > 1 and html.mark(run) or "")
      parts[#parts + 1] = rows_of(run, list)
    end
  end
  return table.concat(parts) ~= "" and table.concat(parts, "\n") or nil
end

return tested
