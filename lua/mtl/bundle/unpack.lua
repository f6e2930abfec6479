--- Unpacks a bundle that was opened: into a temporary folder beside the target, which gets its name once it is whole.
-- See bundle.unpack.
local core = require "mtl.core"
local failure = require "mtl.failure"
local path = require "mtl.path"

-- A path beside `to` that is free.
local function temporary(to)
  local folder, name = path.split(to)
  core.mkdir(folder)
  for i = 0, 99 do
    local p = path.join(folder, (".%s.mtl-%d-%d.tmp"):format(name, core.getpid(), i))
    if not core.stat(p) and not core.is_link(p) then
      return p
    end
  end
  error(("cannot write %s: its folder is full of temporary ones"):format(to), 0)
end

return function(self, to, part)
  to = to:gsub("(.)/+$", "%1")
  if core.stat(to) or core.is_link(to) then
    error(("'%s' exists; name another folder"):format(to), 0)
  end
  local made, at = {}, temporary(to)
  local function undo()
    for i = #made, 1, -1 do
      pcall(core.remove, at .. made[i]) -- a folder that others wrote to stays
    end
  end
  local function make(name)
    if core.mkdir(at .. name) then
      made[#made + 1] = name
    end
  end
  local function take(name, place, sha256)
    for slash in name:gmatch "()/" do
      make("/" .. name:sub(1, slash - 1))
    end
    local got = self.zip:extract(place, path.join(at, name))
    made[#made + 1] = "/" .. name
    if sha256 and got ~= sha256 then
      error(("%s: '%s' changed while it was unpacked"):format(self.path, name), 0)
    elseif core.interrupted() then
      failure.raise(core.interrupted() == 15 and 143 or 130, "stopped")
    end
  end
  local ok, message = pcall(function()
    make ""
    for i = 1, part and 0 or self.signed and 2 or 1 do
      take(self.list[i].name, i)
    end
    for _, f in ipairs(self.manifest.files) do
      if not part or f.name:sub(1, #part + 1) == part .. "/" then
        take(f.name, f.place, f.sha256)
      end
    end
    core.rename(at, to)
    at = to
  end)
  if not ok then
    undo()
    error(message, 0)
  end
  return undo
end
