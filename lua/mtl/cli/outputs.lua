--- Predictions as cells: how the output of each task is shown in a table, as CSV and as JSON.
-- A form is { columns =, rows = function(output) -> records by row }; a record is { cells =, json = }.
local core = require "mtl.core"
local pictures = require "mtl.cli.pictures"
local text = require "mtl.cli.text"

local outputs = {}

--- Names of a task's classes, in order.
function outputs.labels(task)
  local labels, levels = {}, task.description.levels
  for class = 1, math.max(task.description.classes or 2, 2) do
    labels[class] = levels and levels[class] or tostring(class - 1)
  end
  return labels
end

local function choose(labels, p)
  local best, by_label = 1, {}
  for class, x in ipairs(p) do
    by_label[labels[class]] = x
    best = x > p[best] and class or best
  end
  return { cells = { labels[best], p[best] }, json = { label = labels[best], p = by_label } }
end

-- One of several classes, or yes or no: a label, and its probability.
local function class_form(task)
  local labels = outputs.labels(task)
  return {
    columns = { task.name, task.name .. "_p" },
    rows = function(output)
      local list = output:reshape(#output, -1):totable()
      for i, p in ipairs(list) do
        list[i] = choose(labels, task.binary and { 1 - p[1], p[1] } or p)
      end
      return list
    end,
  }
end

local function number_form(task, count)
  local columns = { task.name }
  for i = 1, count > 1 and count or 0 do
    columns[i] = ("%s_%d"):format(task.name, i)
  end
  return {
    columns = columns,
    rows = function(output)
      local flat, list = output:reshape(#output, count):totable(), output:totable()
      for i, cells in ipairs(flat) do
        list[i] = { cells = cells, json = count == 1 and cells[1] or list[i] }
      end
      return list
    end,
  }
end

-- Outputs with a height and a width: a file, and for numbers the range that it spans.
local function picture_form(task, kind, dir)
  if not dir then
    error(("predict: the output of task '%s' is a picture; --png DIR writes such outputs, --tasks leaves them out")
      :format(task.name), 0)
  end
  return {
    columns = kind == "depth" and { task.name, task.name .. "_low", task.name .. "_high" } or { task.name },
    rows = function(output, names)
      local list = {}
      for i, r in ipairs(pictures.write(kind, output, task, names, dir)) do
        list[i] = { cells = { r.file, r.low, r.high }, json = r }
      end
      return list
    end,
  }
end

--- How a task's output is shown. @param dir folder for pictures, or nil
function outputs.form(task, dir)
  local count = 1
  for _, size in ipairs(task.shape) do
    count = count * size
  end
  local kind = pictures.kind(task)
  if kind then
    return picture_form(task, kind, dir)
  elseif task.description.kind == "class" and #(task.description.shape or {}) == 0 or task.binary and count == 1 then
    return class_form(task)
  end
  return number_form(task, count)
end

local function finite(x)
  return x == x and math.abs(x) < math.huge
end

--- A cell as CSV: numbers with all digits of a float32.
function outputs.csv(cell)
  if type(cell) == "number" then
    return finite(cell) and ("%.9g"):format(cell) or ""
  end
  cell = tostring(cell)
  return cell:find '[",\r\n]' and '"' .. cell:gsub('"', '""') .. '"' or cell
end

--- A cell of a table for people.
function outputs.text(cell)
  return type(cell) == "number" and (finite(cell) and text.plain(cell, 5) or "-") or tostring(cell)
end

--- One row as a line of JSON.
function outputs.json(name, tasks, records)
  local row = { input = name }
  for i, task in ipairs(tasks) do
    row[task.name == "input" and "task.input" or task.name] = records[i].json
  end
  return core.json_encode(row)
end

return outputs
