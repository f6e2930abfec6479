--- mtl show F.mtl: what a bundle claims, who signed it, and the names in its code that the sandbox denies. Nothing is
-- run.
local core = require "mtl.core"
local denied = require "mtl.bundle.denied"
local open = require "mtl.cli.open"
local sandbox = require "mtl.sandbox"
local text = require "mtl.cli.text"

local MOST = 20 -- files that are listed

local function line(label, value)
  if value and value ~= "" then
    text.say(("%-11s %s"):format(label, text.clean(value)))
  end
end

local function section(title, rows, right)
  for i = #rows, MOST + 2, -1 do
    rows[i] = i == MOST + 2 and { ("... and %d more"):format(rows.n - MOST) } or nil
  end
  text.say("", title, table.concat(text.table(rows, right or {}), "\n"))
end

local where = { recipe = "beside the bundle", mtl = "mtl's own", data = "in --data" }

local function print_files(b)
  local m = b.manifest
  local rows = { n = #m.files }
  for i, f in ipairs(m.files) do
    rows[i] = { "  " .. f.name, text.count(f.bytes), f.sha256:sub(1, 16) }
  end
  section("files                (bytes, first digits of SHA-256; all were checked)", rows, { [2] = true })
  if #m.data > 0 then
    rows = { n = #m.data }
    for i, d in ipairs(m.data) do
      rows[i] = { "  " .. d.path, text.count(d.bytes), d.sha256:sub(1, 16),
        b:holds(d) and "in the bundle" or where[d.root] }
    end
    section("data                 (checked when it is run)", rows, { [2] = true })
  end
end

local function names(list)
  local shown = {}
  for i, entry in ipairs(type(list) == "table" and list or {}) do
    shown[i] = i <= MOST and (type(entry) == "table" and type(entry.name) == "string" and text.cut(entry.name, 40)
      or "?") or nil
  end
  return table.concat(shown, ", ") .. (#shown == MOST and ", ..." or "")
end

local function print_results(r)
  local rows, seeds = { { "  task", "figure", "mean", "95 %", "seeds" } }, {}
  for i, run in ipairs(r.runs) do
    seeds[i] = tostring(run.seed)
  end
  rows.n = #r.figures
  for i, f in ipairs(r.figures) do
    rows[i + 1] = { "  " .. f.task, f.name, text.number(f.mean, "%.6g"), type(f.half) == "number"
      and "± " .. text.number(f.half, "%.3g") or "-", tostring(f.n) }
  end
  section(("results of seeds %s, as claimed (mtl verify retrains them)"):format(text.clean(table.concat(seeds, ", "))),
    rows, { [3] = true, [5] = true })
end

local function print_code(b)
  local rows = {}
  for _, file in ipairs(b:code()) do
    for _, d in ipairs(denied.find(file.text, sandbox.denies)) do
      rows[#rows + 1] = { ("  %s:%d"):format(file.name, d.line), d.name, d.shadowed and "(also a local there)"
        or d.name == "load" and "(of text it may)" or "" }
    end
  end
  if #rows == 0 then
    text.say("", "In its code stands no name that the sandbox denies.")
  else
    rows.n = #rows
    section("names in its code that the sandbox denies (mtl run refuses them, without --trust)", rows)
  end
end

return {
  name = "show",
  summary = "what a bundle claims, without running anything of it",
  usage = { "mtl show F.mtl [--json]" },
  arguments = { "F.mtl" },
  options = {
    { name = "json", help = "print its manifest" },
    open.options.signature,
  },
  notes = [[
What a bundle says of itself is its author's word. The files are checked against its manifest, and the manifest against
its signature; the code is only looked at: names that it puts together while it runs are not seen.]],
  run = function(options, rest)
    local b = open.bundle(rest[1], options) or error(("'%s' is no bundle"):format(rest[1]), 0)
    local m = b.manifest
    if options.json then
      for written in core.json_encode(m, true):gmatch "[^\n]+" do
        text.say(text.clean(written))
      end
      return
    end
    line("bundle", ("%s%s (%s, %s bytes)"):format(m.name, m.version and " " .. m.version or "", rest[1],
      text.count(core.stat(rest[1]).size)))
    line("author", m.author)
    line("license", m.license)
    line("made with", "mtl " .. m.mtl)
    line("signed by", b.signed and b.signed .. " (the signature is good)" or "nobody")
    line("recipe", m.recipe)
    line("tasks", names(m.declaration.tasks))
    line("stages", names(m.declaration.stages))
    line("weights", b.by_name["run.json"] and "yes" or "no")
    print_files(b)
    if m.results then
      print_results(m.results)
    end
    print_code(b)
  end,
}
