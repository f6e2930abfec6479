--- A report: runs as one page of HTML that holds all that it shows. It has no script, and its own policy forbids it to
-- load anything.
local core = require "mtl.core"
local about = require "mtl.report.about"
local curves = require "mtl.report.curves"
local gradients = require "mtl.report.gradients"
local html = require "mtl.report.html"
local path = require "mtl.path"
local read = require "mtl.report.read"
local tested = require "mtl.report.tested"

local report = {}

local HEAD = [[
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="mtl %s">
<title>%s</title>
<style>
%s</style></head><body>
]]

-- Letters, colours, and whether there is one run only.
local function label(runs)
  for i, run in ipairs(runs) do
    run.letter = i <= 26 and string.char(64 + i) or tostring(i)
    run.class = ("c%d"):format((i - 1) % 6 + 1) .. (i > 6 and " again" or "")
    run.alone = #runs == 1
  end
end

-- Names of the tasks of all runs.
local function all_tasks(runs)
  local names, seen = {}, {}
  for _, run in ipairs(runs) do
    for _, name in ipairs(run.tasks) do
      if not seen[name] then
        seen[name], names[#names + 1] = true, name
      end
    end
  end
  return names
end

local function title_of(runs)
  local names, seen = {}, {}
  for _, run in ipairs(runs) do
    local name = run.info.recipe.name
    if not seen[name] then
      seen[name], names[#names + 1] = true, name
    end
  end
  return table.concat(names, ", ")
end

local function reading(runs)
  local several = #runs > 1
  local _, alone = next(runs)
  local words = { "Lines: ", several and "a colour and a letter for each run; " or "",
    "pale as logged, strong smoothed (for KPIs κ̄, for losses a mean of neighbours), dashed or dotted on the ",
    "validation split." }
  words[#words + 1] = #alone.stages > 1 and " Bands are stages." or ""
  return '<p class="note">' .. table.concat(words) .. " A pointer that rests on a chart shows its figures.</p>"
end

-- Why there is nothing of the test split, run by run.
local function missing(runs)
  local out = {}
  for _, run in ipairs(runs) do
    local why = run.no_details or run.details and run.details.failed
    out[#out + 1] = why and ('<p class="note">%s The predictions for the test split are not shown: %s</p>'):format(
      #runs > 1 and html.mark(run) or "", html.text(why)) or nil
  end
  return table.concat(out, "\n")
end

--- The page. @param runs what read.run gives, each with `details` (what outcome:plain gives) or `no_details`, why there
-- are none
function report.page(runs)
  label(runs)
  local tasks = all_tasks(runs)
  local out = { HEAD:format(core.VERSION, html.text(title_of(runs)), require "mtl.report.style"),
    ("<h1>%s</h1>"):format(html.text(title_of(runs))), about.legend(runs) }
  local function section(title, body)
    if body and body ~= "" then
      out[#out + 1] = ("<section><h2>%s</h2>\n%s\n</section>"):format(title, body)
    end
  end
  section("Training", reading(runs) .. curves.training(runs, tasks))
  section("Gradients", gradients.page(runs, tasks))
  section("Test", table.concat({ tested.figures(runs, tasks) or "", tested.details(runs, tasks) or "", missing(runs) },
    "\n"))
  section("How to repeat it", about.repeating(runs))
  section("Environment", about.environment(runs))
  section(#runs > 1 and "Recipes" or "Recipe", about.recipes(runs))
  out[#out + 1] = "</body></html>\n"
  return table.concat(out, "\n")
end

--- Writes the report of one run into its folder, with what a test has shown (outcome:plain), or nothing.
-- @return the file
function report.leave(dir, details)
  local run = read.run(dir)
  run.details = details
  local file = path.join(dir, "report.html")
  core.file_write(file, report.page { run })
  return file
end

return report
