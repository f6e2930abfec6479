--- The mark that run.json gets, by which a run knows later that this user made it, with this recipe, and named the
-- folders that it names: run.json may come from anyone, and to open what it names is more than a recipe may ask for.
-- It is a sum over all that, made with a key that only this user has (state.lua).
local core = require "mtl.core"
local path = require "mtl.path"
local state = require "mtl.state"

local mark = {}

local kept

local function read(file)
  local f <close> = io.open(file, "rb")
  local key = f and f:read(33)
  return key and #key == 32 and key or nil
end

-- The key, made when it is first asked for; false where there is no place for one.
local function key()
  if kept == nil then
    local file = state "key"
    local random <close> = file and not core.stat(file) and io.open("/dev/urandom", "rb") or nil
    local bytes = random and random:read(32)
    if bytes and #bytes == 32 then
      pcall(core.file_create, file, bytes, true) -- or another process just did
    end
    kept = file and read(file) or false
  end
  return kept
end

--- Makes the key ready, before a wall stands in the way.
mark.ready = key

-- Names and sums of the Lua files below recipe/, and of the recipe's own; nil where something there is no plain file.
local function files(out, name)
  local list, top = {}, path.join(out, "recipe")
  local function walk(below)
    for _, file in ipairs(core.listdir(path.join(top, below))) do
      local shown = below == "" and file or below .. "/" .. file
      local full = path.join(top, shown)
      local kind = not core.is_link(full) and core.stat(full).type
      if kind == "folder" then
        walk(shown)
      elseif kind ~= "file" then
        error "a link, a device or a pipe"
      elseif shown == name or file:find "%.lua$" then
        list[#list + 1] = shown
        list[#list + 1] = core.sha256_file(full)
      end
    end
  end
  return pcall(walk, "") and list or nil
end

--- The mark of a run. @param info what run.json says, its recipe's files being in the folder
-- @return hexadecimal digits; nil where there is none to give
function mark.of(out, info)
  local recipe, secret = info.recipe, key()
  local list = secret and recipe.file and files(out, recipe.file)
  if not list then
    return nil
  end
  local own = recipe.folder == "recipe" or recipe.folder == path.join(out, "recipe")
  local text = core.json_encode(core.array { recipe.file, own and "recipe" or recipe.folder, recipe.bundle or "",
    info.data.dir or "", core.json_encode(core.array(info.set)), core.array(list) })
  return core.sha256(secret .. core.sha256(secret .. text))
end

--- Whether this user made the run.
function mark.fits(out, info)
  return info.mark ~= nil and info.mark == mark.of(out, info)
end

return mark
