--- Fine-tuning: a training that starts from what another run learned, by name (--init RUN).
local core = require "mtl.core"
local element = require "mtl.element"
local path = require "mtl.path"

local transfer = {}

--- The file that holds a run's parameters: those of its best epoch where it kept them.
function transfer.file(dir)
  local stat = core.stat(dir)
  if stat and stat.type ~= "folder" then
    if require "mtl.bundle".is(dir) then
      error(("init: '%s' is a bundle: mtl unpack it; with weights that gives a run to start from"):format(dir), 0)
    end
    return dir
  end
  for _, name in ipairs { "best.safetensors", "checkpoint.safetensors" } do
    if core.stat(path.join(dir, name)) then
      return path.join(dir, name)
    end
  end
  error(("init: '%s' is neither a run with a checkpoint nor a safetensors file"):format(dir), 0)
end

local function some(list)
  local shown = {}
  for i = 1, math.min(#list, 6) do
    shown[i] = list[i]
  end
  return table.concat(shown, ", ") .. (#list > 6 and (" ... (%d in all)"):format(#list) or "")
end

--- Copies parameters and statistics whose name and shape are the same into a frozen model.
-- @param dir a run's folder, or a safetensors file
-- @return { file =, matched =, new =, reshaped =, unused = }: lists of names; and the same as one line
function transfer.into(model, dir)
  local r = { file = transfer.file(dir), matched = {}, new = {}, reshaped = {}, unused = {} }
  local file, there, wanted, numbers = core.safetensors_read(core.realpath(r.file) or r.file), {}, {}, 0
  for _, name in ipairs(file:names()) do
    there[name] = true
  end
  local function take(entry)
    wanted[entry.name] = true
    local kept = there[entry.name] and file:tensor(entry.name)
    if kept and element.same_shape(kept, entry.tensor) then
      entry.tensor:copy_(kept)
      r.matched[#r.matched + 1] = entry.name
      numbers = numbers + kept:count()
    else
      local list = kept and r.reshaped or r.new
      list[#list + 1] = entry.name
    end
  end
  core.no_grad(function()
    for _, list in ipairs { model:parameters(), model:states() } do
      for _, entry in ipairs(list) do
        take(entry)
      end
    end
  end)
  for name in pairs(there) do
    if not wanted[name] and not (name:match "^optimizer%." or name:match "^policy%." or name:match "^loss%.") then
      r.unused[#r.unused + 1] = name
    end
  end
  table.sort(r.unused)
  if #r.matched == 0 then
    error(("init: no parameter of %s has the name and shape of one of this model; it holds %s, the model wants %s")
      :format(r.file, some(r.unused), some(r.new[1] and r.new or r.reshaped)), 0)
  end
  local text = ("init: %d of %d tensors (%d numbers) from %s"):format(#r.matched,
    #r.matched + #r.new + #r.reshaped, numbers, r.file)
  for _, part in ipairs { { "new", r.new }, { "of another shape", r.reshaped }, { "not used", r.unused } } do
    text = text .. (#part[2] > 0 and ("; %s: %s"):format(part[1], some(part[2])) or "")
  end
  return r, text
end

return transfer
