--- mtl predict RUN FILE...: outputs of a run's model for new inputs. Neither its recipe nor its data are opened.
local core = require "mtl.core"
local args = require "mtl.cli.args"
local form = require "mtl.form"
local open = require "mtl.cli.open"
local outputs = require "mtl.cli.outputs"
local path = require "mtl.path"
local text = require "mtl.cli.text"

-- How many rows are done, on a terminal, where it takes long.
local function counter()
  local shown, last, on = false, core.clock() + 0.3, core.isatty(2)
  return function(n)
    if on and n and core.clock() - last > 0.1 then
      io.stderr:write(("\r%s rows"):format(text.count(n)))
      shown, last = true, core.clock()
    elseif not n and shown then
      io.stderr:write("\r\27[K")
    end
  end
end

local function write(line)
  local done, message = io.stdout:write(line, "\n")
  if not done then
    error("standard output: " .. message, 0)
  end
end

-- What rows go to: function(name, records by task), and what ends it.
local sinks = {
  json = function(tasks)
    return function(name, records)
      write(outputs.json(name, tasks, records))
    end
  end,
  csv = function(tasks, forms)
    local line = {}
    local function put(header, list)
      local cells = { outputs.csv(header) }
      for _, part in ipairs(list) do
        for _, cell in ipairs(part) do
          cells[#cells + 1] = outputs.csv(cell)
        end
      end
      write(table.concat(cells, ","))
    end
    for i in ipairs(tasks) do
      line[i] = forms[i].columns
    end
    put("input", line)
    return function(name, records)
      for i, record in ipairs(records) do
        line[i] = record.cells
      end
      put(name, line)
    end
  end,
  table = function(tasks, forms)
    local rows, right = { { "input" } }, {}
    for i in ipairs(tasks) do
      table.move(forms[i].columns, 1, #forms[i].columns, #rows[1] + 1, rows[1])
    end
    return function(name, records)
      local row = { name }
      for _, record in ipairs(records) do
        for _, cell in ipairs(record.cells) do
          row[#row + 1] = outputs.text(cell)
          right[#row] = right[#row] or type(cell) == "number"
        end
      end
      rows[#rows + 1] = row
    end, function()
      text.say(table.concat(text.table(rows, right, { 1 }), "\n"))
    end
  end,
}

-- The files that are read at a time: images a batch, so that a large folder need not lie in memory.
local function groups(files, source, inputs)
  if source.kind == "csv" or source.kind == "join" or inputs > 1 then
    return { files }
  end
  local list, size = {}, source.batch or 64
  for first = 1, #files, size do
    list[#list + 1] = table.move(files, first, math.min(first + size - 1, #files), 1, {})
  end
  return list
end

local function read(p, source, files, several)
  local kept = source.set
  local ok, tensors, names = pcall(form.reading, p.path, require "mtl.data.inputs".read, kept.kind, kept.state,
    { inputs = kept.inputs, input_shapes = kept.input_shapes }, files, function(f) return path.check(f, "read") end)
  if not ok then
    local message = tostring(tensors)
    error(several and message .. "; tasks of this run have data of their own: --tasks says which to predict"
      or message, 0)
  end
  return tensors, names
end

-- Iterators over a group of files, one for each source that a chosen task has, and the names of the rows.
local function start(p, of_source, files)
  local list, names, several = {}, nil, next(of_source, next(of_source)) ~= nil
  for k, mask in pairs(of_source) do
    local tensors, found = read(p, p.sources[k], files, several)
    names = names or found
    if #found ~= #names then
      error(("predict: the files hold %d rows for some tasks and %d for others"):format(#names, #found), 0)
    end
    list[#list + 1] = p:batches(p.sources[k]:pick(tensors), mask)
  end
  return list, names
end

-- Tasks without a step of training, as a run has them that was stopped early: what is said of them.
local function note_untrained(p, o)
  local list, asked = {}, {}
  for _, name in ipairs(o.tasks or {}) do
    asked[name] = true
  end
  for _, task in ipairs(p.tasks) do
    list[#list + 1] = not task.trained and (not o.tasks or asked[task.name]) and task.name or nil
  end
  if #list > 0 then
    io.stderr:write("mtl: note: never trained, ", o.tasks and "so these are answers of initial weights: "
      or "so left out: ", text.clean(table.concat(list, ", ")), "\n")
  end
end

local function predict(p, files, o)
  local index = p:choose(o.tasks)
  note_untrained(p, o)
  local tasks, forms, of_source, count, done, taken = {}, {}, {}, counter(), 0, { input = true }
  for k, i in ipairs(index) do
    tasks[k], forms[k] = p.tasks[i], outputs.form(p.tasks[i], o.png)
    of_source[p.tasks[i].source] = (of_source[p.tasks[i].source] or 0) | 1 << (i - 1)
    for _, column in ipairs(forms[k].columns) do
      taken[column] = true
    end
  end
  local kept = o.keep and require "mtl.cli.kept".read(p.sources[tasks[1].source].set, files, o.keep, taken) or {}
  for k, column in ipairs(kept) do -- before what is predicted
    table.insert(tasks, k, column)
    table.insert(forms, k, { columns = { column.name } })
  end
  local put, finish = sinks[o.json and "json" or o.csv and "csv" or "table"](tasks, forms)
  for _, group in ipairs(groups(files, p.info.sources[1], #p.model:inputs())) do
    local iterators, names = start(p, of_source, group)
    for first, batch in iterators[1] do
      for k = 2, #iterators do
        local _, more = iterators[k]()
        for i, output in pairs(more) do
          batch[i] = output
        end
      end
      local n = #batch[index[1]]
      local here, lists = table.move(names, first, first + n - 1, 1, {}), {}
      for k, i in ipairs(index) do
        lists[k] = forms[#kept + k].rows(batch[i], here)
      end
      for row, name in ipairs(here) do
        local records = {}
        for k, column in ipairs(kept) do
          local value = column.values[done + row]
          records[k] = { cells = { value }, json = value }
        end
        for k in ipairs(index) do
          records[#kept + k] = lists[k][row]
        end
        put(name, records)
      end
      done = done + n
      count(done)
    end
  end
  count()
  if finish then
    finish()
  end
end

return {
  name = "predict",
  summary = "outputs for new inputs",
  usage = { "mtl predict RUN FILE... [OPTIONS]" },
  arguments = { "RUN", "FILE", rest = true },
  options = {
    { name = "json", help = "print one JSON object a row, with the probability of every class" },
    { name = "csv", help = "print CSV: a column for each number; for a class, its name and its probability" },
    { name = "png", value = "DIR", read = args.path,
      help = "write outputs that are pictures there, named after the input and the task" },
    { name = "tasks", value = "A,B", read = args.names "names of tasks, as left,right",
      help = "these tasks only (default: all that were trained)" },
    { name = "keep", value = "A,B", read = args.names "names of columns, as id,date",
      help = "copy these columns of the input, a table, as they stand there" },
    open.options.device, open.options.threads, open.options.memory,
  },
  notes = [[
Files are of the kind that the run was trained on: CSV with the same input columns, PNG, NPY, NPZ or IDX; where the
model has several inputs, NAME=FILE says which. They are normalised as the training rows were. Neither the recipe nor
its data are needed. Pictures: classes are 8-bit gray, 0 for the first (so nearly black to the eye), depths 16-bit gray
from the lowest to the highest value (which stand beside the file's name), normals RGB; they have the size that the
model works with.]],
  run = function(options, rest)
    if options.json and options.csv then
      error("predict: --json and --csv exclude one another", 0)
    end
    if options.threads then
      core.threads(options.threads)
    end
    require "mtl.folder".info(rest[1]) -- says first where there is no run
    for i = 2, #rest do
      if (core.stat(rest[i]) or {}).type == "folder" then
        error(("predict: '%s' is a folder; name its files, as %s/*.png"):format(rest[i], (rest[i]:gsub("/+$", ""))), 0)
      end
    end
    open.cap(options) -- a checkpoint may ask for anything
    local runs = require "mtl.run"
    local predictor = runs.predictor(runs.load(rest[1], { device = options.device }))
    if options.png then
      core.mkdir(options.png)
    end
    predict(predictor, table.move(rest, 2, #rest, 1, {}), options)
  end,
}
