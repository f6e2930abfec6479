--- Text for people: tables, bars, counts, durations. Names come from recipes of other people, so control characters
-- never reach a terminal.
local core = require "mtl.core"

local text = {}

--- One line without control characters (C0, C1, and line ends).
function text.clean(s)
  s = tostring(s):gsub("\r?\n%s*", " "):gsub("%c", "?")
  return (s:gsub("\194[\128-\159]", "?"))
end

--- Columns that a text takes on a terminal.
function text.width(s)
  return utf8.len(s) or #s
end

--- Parts as lines of at most n columns, broken between parts only; all but the first line are indented.
function text.wrap(parts, n)
  local lines, line = {}, nil
  for _, part in ipairs(parts) do
    if line and text.width(line) + 2 + text.width(part) > n then
      lines[#lines + 1] = line
      line = "  " .. part
    else
      line = line and line .. "  " .. part or part
    end
  end
  lines[#lines + 1] = line
  return lines
end

--- Prints lines; what cannot be written is an error.
function text.say(...)
  local done, message = io.stdout:write(table.concat({ ... }, "\n"), "\n")
  if not done then
    error("standard output: " .. message, 0)
  end
end

--- At most n columns of a text.
function text.cut(s, n)
  if text.width(s) <= n then
    return s
  end
  local last = utf8.len(s) and utf8.offset(s, n + 1) - 1 or n
  return s:sub(1, last)
end

--- At most n columns of a text, its middle left out: names often differ at their ends only.
function text.shorten(s, n, in_utf8)
  local width = text.width(s)
  if width <= n then
    return s
  end
  local mark = in_utf8 and "…" or ".."
  local kept = n - text.width(mark)
  if kept < 2 then
    return text.cut(s, n)
  end
  local tail = kept // 2
  local from = utf8.len(s) and utf8.offset(s, -tail) or #s - tail + 1
  return text.cut(s, kept - tail) .. mark .. s:sub(from)
end

--- A text in a column of n: padded on its right side, or its left with `right`.
function text.pad(s, n, right)
  local room = (" "):rep(n - text.width(s))
  return right and room .. s or s .. room
end

--- 21840 as "21,840".
function text.count(n)
  local digits = ("%d"):format(math.floor(n + 0.5)):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (digits:gsub("^(%-?),", "%1"))
end

--- 1 as "1 epoch", 2 as "2 epochs".
function text.several(n, what)
  return ("%s %s%s"):format(text.count(n), what, n == 1 and "" or "s")
end

--- A number of so many digits, and more where it is large: 178240 and not 1.7824e+05.
function text.plain(x, digits)
  local size = math.abs(x)
  return (size >= 10 ^ digits - 0.5 and size < 1e10 and "%.0f" or ("%%.%dg"):format(digits)):format(x)
end

--- A figure of four digits; "-" for what is undefined.
function text.number(x, format)
  if x == nil or x == core.null then
    return "-"
  end
  return format and format:format(x) or text.plain(x, 4)
end

--- A loss, a KPI: a width that stays the same while they change.
function text.loss(x)
  local plain = x and x ~= core.null and math.abs(x) < 1000 and (x == 0 or math.abs(x) >= 1e-3)
  return text.number(x, plain and "%.4f" or "%.2e")
end

function text.kpi(x)
  return text.number(x, "%.4f")
end

--- Seconds as 0:12 or 1:02:03.
function text.duration(seconds)
  local s = math.floor(math.max(seconds, 0) + 0.5)
  if s >= 3600 then
    return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60)
  end
  return ("%d:%02d"):format(s // 60, s % 60)
end

--- How long something took: 0.52 s, 12.3 s, 1:05.
function text.seconds(seconds)
  return seconds < 60 and ("%.3g s"):format(seconds) or text.duration(seconds)
end

--- A shape as "10 x 24 x 24".
function text.shape(shape)
  return #shape > 0 and table.concat(shape, " x ") or "-"
end

--- Whether the terminal shows UTF-8.
function text.utf8()
  for _, name in ipairs { "LC_ALL", "LC_CTYPE", "LANG" } do
    local value = os.getenv(name)
    if value and value ~= "" then
      return value:upper():find "UTF%-?8" ~= nil
    end
  end
  return false
end

local parts = { "▏", "▎", "▍", "▌", "▋", "▊", "▉" }

--- A bar of n columns, `fraction` of it full. style: "line", "block", or "ascii".
function text.bar(fraction, n, style)
  local f = fraction == fraction and math.max(0, math.min(1, fraction)) or 0
  if style == "ascii" then
    local full = math.floor(f * n + 0.5)
    return ("#"):rep(full) .. ("."):rep(n - full)
  elseif style == "line" then
    local halves = math.floor(f * n * 2 + 0.5)
    local half = halves % 2
    return ("━"):rep(halves // 2) .. (half == 1 and "╸" or "") .. ("─"):rep(n - halves // 2 - half)
  end
  local eighths = math.floor(f * n * 8 + 0.5)
  local part = parts[eighths % 8] or ""
  return ("█"):rep(eighths // 8) .. part .. (" "):rep(n - eighths // 8 - (part ~= "" and 1 or 0))
end

-- Makes the widest of these columns of a table narrower, down to 12, until its lines fit into n columns.
local function narrow(widths, names, n)
  local sum = 2 * (#widths - 1)
  for _, width in ipairs(widths) do
    sum = sum + width
  end
  while sum > n do
    local widest = names[1]
    for _, c in ipairs(names) do
      widest = widths[c] > widths[widest] and c or widest
    end
    if widths[widest] <= 12 then
      return
    end
    widths[widest], sum = widths[widest] - 1, sum - 1
  end
end

--- Rows of cells as lines, columns aligned. right: columns set to the right, by number; names: a list of the columns
-- that may be shortened where a terminal is too narrow.
function text.table(rows, right, names)
  local widths, lines = {}, {}
  for i, row in ipairs(rows) do
    rows[i] = {}
    for c, cell in ipairs(row) do
      rows[i][c] = text.clean(cell)
      widths[c] = math.max(widths[c] or 0, text.width(rows[i][c]))
    end
  end
  local terminal = names and core.columns(1)
  if terminal then
    narrow(widths, names, terminal)
  end
  for i, row in ipairs(rows) do
    for c, cell in ipairs(row) do
      row[c] = text.pad(text.shorten(cell, widths[c], text.utf8()), widths[c], right[c])
    end
    lines[i] = table.concat(row, "  "):gsub("%s+$", "")
  end
  return lines
end

-- Names of the metrics of all tasks, in order.
local function metric_names(tasks)
  local list, seen = {}, {}
  for _, task in ipairs(tasks) do
    for _, name in ipairs(task.metric_names) do
      if not seen[name] then
        seen[name] = true
        list[#list + 1] = name
      end
    end
  end
  return list
end

--- Lines of a table of results: { left = { loss =, kpi =, metrics = {} }, ... }; `tasks` are the recipe's.
function text.results(title, tasks, results)
  local metrics = metric_names(tasks)
  local right = { [2] = true, [3] = true }
  local rows = { { title, "loss", "KPI", "" } }
  for i, name in ipairs(metrics) do
    rows[1][4 + i], right[4 + i] = name, true
  end
  for _, task in ipairs(tasks) do
    local r = results[task.name]
    if r then
      local row = { task.name, text.loss(r.loss), text.kpi(r.kpi), task.kpi.type }
      for i, name in ipairs(metrics) do
        local has = r.metrics and r.metrics ~= core.null and r.metrics[name]
        row[4 + i] = has and text.number(has) or ""
      end
      rows[#rows + 1] = row
    end
  end
  return text.table(rows, right)
end

return text
