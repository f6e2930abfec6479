--- A run folder: recipe/, run.json, metrics.jsonl, checkpoint.safetensors, summary.json.
local core = require "mtl.core"
local form = require "mtl.form"
local mark = require "mtl.mark"
local path = require "mtl.path"

local folder = {}

folder.FORMAT = 2 -- of run.json and checkpoints

local function read(file)
  local ok, text = pcall(core.file_read, core.realpath(file) or file)
  return ok and text or nil
end

local FORM = { recipe = { name = "string", ["file?"] = "string", ["bundle?"] = "string",
  folder = "string" }, seed = "number",
  device = "string", set = { "table" }, data = { ["dir?"] = "string" }, ["max_steps?"] = "integer",
  ["policies?"] = { "string" },
  ["mark?"] = "string" }

--- What run.json says. Errors name the file.
function folder.info(out)
  local file = path.join(out, "run.json")
  local text = read(file)
  if not core.stat(out) then
    error(("'%s': no such folder; mtl runs lists runs"):format(out), 0)
  elseif not text then
    error(("'%s' is not a run: it has no run.json"):format(out), 0)
  end
  local ok, info = pcall(core.json_decode, text)
  if not ok or type(info) ~= "table" or math.type(info.format) ~= "integer" then
    error(("%s is damaged%s"):format(file, ok and "" or ": " .. tostring(info)), 0)
  elseif info.format ~= folder.FORMAT then
    error(("%s is of format %s, and this mtl reads %d"):format(file, info.format, folder.FORMAT), 0)
  end
  local wrong = form.wrong(info, FORM, "run")
  if wrong then
    error(("%s is damaged: '%s' is not what it should be"):format(file, wrong), 0)
  end
  if info.recipe.folder == "recipe" then -- its own
    info.recipe.folder = path.join(out, "recipe")
  end
  return info
end

--- What summary.json says; nil where there is none, or it is damaged.
function folder.summary(out)
  local ok, value = pcall(core.json_decode, read(path.join(out, "summary.json")) or "")
  return ok and type(value) == "table" and value or nil
end

--- How far a run has come, in words: "finished" only where the training came to its end.
-- @param summary folder.summary(out), or nil; with max_steps, there was more to train
-- @param last { kind =, step = } of the last line of metrics.jsonl
function folder.state(summary, last)
  if not summary and last.kind == "diverged" then
    return ("diverged at %d"):format(last.step or 0)
  elseif not summary then
    return last.step and ("step %d"):format(last.step) or "no step yet"
  elseif summary.max_steps and math.type(summary.steps) then
    return ("stopped after %d step%s by --max-steps"):format(summary.steps, summary.steps == 1 and "" or "s")
  end
  return "finished"
end

--- Where a run goes unless --out says: a folder that is not there yet.
function folder.default(name, seed)
  if not tostring(name):find "^[%w_][%w_%-%.]*$" then -- it was checked, and may have been changed since
    error(("recipe: name is '%s', which should be letters, digits, '_', '-' and '.'"):format(tostring(name)), 0)
  end
  local out = ("runs/%s-%s-%d"):format(name, os.date "%Y%m%d-%H%M%S", seed)
  local free, i = out, 1
  while core.stat(free) do
    i = i + 1
    free = out .. "-" .. i
  end
  return free
end

--- A folder that exists, and is not empty, is an error without `resume`.
function folder.check(out, resume)
  local stat = core.stat(out)
  if stat and not resume and (stat.type ~= "folder" or #core.listdir(out) > 0) then
    error(("'%s' exists; --resume goes on with the run in it, or name another --out"):format(out), 0)
  end
end

--- A run goes on with the recipe that it was started with: what it says it did must be what it did.
function folder.same_recipe(out, files)
  for _, file in ipairs(files or {}) do
    local kept = read(path.join(path.join(out, "recipe"), file.name))
    if kept ~= file.text then
      error(("'%s' was started with another %s; leave the recipe out to go on with the run's own, or name another "
        .. "--out"):format(out, file.name), 0)
    end
  end
end

-- Names of the policies of all stages with something to weigh, each once.
local function policies(recipe)
  local list, seen = core.array {}, {}
  for _, stage in ipairs(recipe.stages) do
    if #stage.tasks > 1 and not seen[stage.policy.type] then
      seen[stage.policy.type], list[#list + 1] = true, stage.policy.type
    end
  end
  return list
end

-- What the recipe may do, and how much memory it may take.
local function sandbox()
  local said = {}
  for key, value in pairs(require "mtl.wall".standing()) do
    said[key] = value
  end
  local limit = core.memory().limit
  said.memory = limit > 0 and limit or nil
  return said
end

--- A run that goes on with --trust says so, as one that began with it.
function folder.trusted(out)
  local file = path.join(out, "run.json")
  local text = read(file)
  local info = text and core.json_decode(text)
  if info and require "mtl.wall".standing().trust and not (info.sandbox or {}).trust then
    info.sandbox = sandbox()
    core.file_write(file, core.json_encode(info, true) .. "\n")
  end
end

--- Writes run.json and the recipe's files.
function folder.describe(out, recipe, t, options)
  local files = options.files
  if not files and recipe.file then
    files = { { name = select(2, path.split(recipe.file)), text = read(path.check(recipe.file, "read")) } }
  end
  for _, file in ipairs(files or {}) do
    local to = path.join(path.join(out, "recipe"), file.name)
    core.mkdir((path.split(to)))
    core.file_write(to, file.text)
  end
  local set = t.sources[1].set
  local info = {
    format = folder.FORMAT,
    recipe = { name = recipe.name, file = files and files[1] and files[1].name,
      bundle = options.bundle, folder = t.folder == core.realpath(path.join(out, "recipe")) and "recipe" or t.folder },
    policies = policies(recipe),
    set = core.array(options.set or {}), seed = t.seed, device = t.device, threads = core.threads(),
    data = { dir = options.data_dir and core.realpath(options.data_dir), seed = set.seed, batch = set.batch,
      rows = t.rows },
    init = t.init and { from = t.init.file, matched = core.array(t.init.matched) },
    max_steps = options.max_steps, sandbox = sandbox(), version = core.VERSION, started = os.date "!%Y-%m-%dT%H:%M:%SZ",
    host = { system = core.uname(), cpu = core.cpu_model(), cores = core.cores(), isa = core.isa(),
      blas = core.blas() },
  }
  info.mark = mark.of(out, info)
  core.file_write(path.join(out, "run.json"), core.json_encode(info, true) .. "\n")
end

return folder
