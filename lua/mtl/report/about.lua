--- What a report says of its runs beyond their figures: the legend, the recipe, the environment, how to repeat it.
local html = require "mtl.report.html"
local line_of = require "mtl.compare.run".line
local path = require "mtl.path"
local text = require "mtl.cli.text"
local sorted = require "mtl.sorted"

local about = {}

-- The mean KPI of the test over the tasks that have one.
local function mean_kpi(test)
  local sum, n = 0, 0
  for _, name in ipairs(sorted(test or {})) do
    local kpi = type(test[name]) == "table" and test[name].kpi
    if type(kpi) == "number" then
      sum, n = sum + kpi, n + 1
    end
  end
  return n > 0 and sum / n or nil
end

--- A table of the runs, which is the legend of every chart.
function about.legend(runs)
  local rows = {}
  for i, run in ipairs(runs) do
    local s = run.summary or {}
    rows[i] = { html.mark(run) .. " " .. html.text(run.name), html.text(run.info.recipe.name),
      html.text(run.info.seed), html.text(run.state), text.count(run.steps), html.text(s.epochs or "-")
        .. (type(s.kept) == "table" and html.text((" (kept: %s)"):format(s.kept.epoch)) or ""),
      type(s.seconds) == "number" and text.seconds(s.seconds) or "-", text.kpi(mean_kpi(run.test)) }
  end
  local out = html.table({ "run", "recipe", "seed", "state", "steps", "epochs", "time", "mean test KPI" }, rows)
  for _, run in ipairs(runs) do
    local message = run.diverged and (run.diverged.message or "it diverged")
    if message then
      out = out .. ("<p class=\"warning\">%s diverged in step %s: %s</p>"):format(html.mark(run),
        text.count(run.diverged.step), html.text(message))
    end
  end
  return out
end

--- The call that makes a run again.
function about.command(run)
  local info = run.info
  if not info.recipe.file then
    return nil
  end
  local words = { "mtl", "run", path.join(info.recipe.folder, info.recipe.file), "--seed", ("%.0f"):format(info.seed) }
  local function add(name, value)
    if value then
      words[#words + 1], words[#words + 2] = name, tostring(value)
    end
  end
  for _, entry in ipairs(info.set) do
    add("--set", ("%s=%s"):format(tostring(entry[1]), tostring(entry[2])))
  end
  add("--data", info.data.dir)
  add("--device", info.device ~= "cpu" and info.device)
  add("--init", type(info.init) == "table" and info.init.from)
  add("--max-steps", info.max_steps)
  words[#words + 1] = info.trust == true and "--trust" or nil
  return line_of(words)
end

local keys = {
  { "version of mtl", function(i) return i.version end },
  { "started", function(i) return i.started end },
  { "seed", function(i) return i.seed end },
  { "device", function(i) return i.device end },
  { "threads", function(i) return i.threads end },
  { "instructions", function(i) return (i.host or {}).isa end },
  { "BLAS", function(i) return (i.host or {}).blas end },
  { "processor", function(i) return (i.host or {}).cpu end },
  { "cores", function(i) return (i.host or {}).cores end },
  { "system", function(i) return (i.host or {}).system end },
  { "batch", function(i) return i.data.batch end },
  { "rows", function(i)
    local list = {}
    for _, split in ipairs { "train", "valid", "test" } do
      local n = type(i.data.rows) == "table" and i.data.rows[split]
      list[#list + 1] = type(n) == "number" and ("%s %s"):format(text.count(n), split) or nil
    end
    return #list > 0 and table.concat(list, ", ") or nil
  end },
  { "data folder", function(i) return i.data.dir end },
  { "weights from", function(i) return type(i.init) == "table" and i.init.from or nil end },
}

--- Where and with what the runs were made, a column a run.
function about.environment(runs)
  local head, rows = { "" }, {}
  for i, run in ipairs(runs) do
    head[i + 1] = html.mark(run)
  end
  for _, key in ipairs(keys) do
    local row, any = { key[1] }, false
    for i, run in ipairs(runs) do
      local ok, value = pcall(key[2], run.info)
      value = ok and value or nil
      row[i + 1], any = value ~= nil and html.text(value) or "-", any or value ~= nil
    end
    rows[#rows + 1] = any and row or nil
  end
  return html.table(#runs > 1 and head or nil, rows, { class = "facts", key = true })
end

--- The command of each run.
function about.repeating(runs)
  local out = {}
  for i, run in ipairs(runs) do
    local command = about.command(run)
    out[i] = (#runs > 1 and html.mark(run) or "") .. (command and "<pre>" .. html.block(command) .. "</pre>"
      or "<p>Its recipe was made in a program, so no command repeats it.</p>")
  end
  out[#out + 1] = "<p class=\"note\">The recipe as it was then lies in the run's folder, under recipe/.</p>"
  return table.concat(out, "\n")
end

--- The recipes' files; those that runs share stand once.
function about.recipes(runs)
  local list, by = {}, {}
  for _, run in ipairs(runs) do
    for _, file in ipairs(run.files) do
      local key = file.name .. "\0" .. file.text
      if not by[key] then
        by[key] = { file = file, runs = {} }
        list[#list + 1] = by[key]
      end
      table.insert(by[key].runs, run)
    end
  end
  local out = {}
  for _, one in ipairs(list) do
    local marks = {}
    for i, run in ipairs(#runs > 1 and one.runs or {}) do
      marks[i] = html.mark(run)
    end
    out[#out + 1] = ("<h3>%s %s</h3>\n<pre>%s</pre>%s"):format(html.text(one.file.name), table.concat(marks, " "),
      html.block(one.file.text), one.file.cut and "<p>The rest of the file is left out.</p>" or "")
  end
  return #out > 0 and table.concat(out, "\n") or nil
end

return about
