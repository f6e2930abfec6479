--- The one check that a path goes through before any reader or writer opens it. Links are resolved first. Once a recipe
-- runs confined, only what lies below an allowed folder may be read, and nothing be written unless a folder was allowed
-- for that. The program then has readers follow no link either (core.refuse_links): one may come after the check.
local core = require "mtl.core"

local path = {}

local roots = {} -- absolute folders without links
local open = {}  -- those that may be written to
local confined = false
local watcher

--- Allows a folder (it must exist); returns it as an absolute path. @param writes files in it may be written too
function path.allow(root, writes)
  local absolute = assert(core.realpath(root))
  roots[#roots + 1] = absolute
  open[#open + 1] = writes and absolute or nil
  return absolute
end

--- From now on only allowed folders are open. There is no way back within a process.
function path.confine()
  confined = true
end

--- From now on f(absolute, as) is told of every file that is checked to be read: its real path, and the path that it
-- was asked for by. nil: nobody is.
function path.watch(f)
  watcher = f
end

function path.confined()
  return confined
end

--- The folder of a path, and its last part.
function path.split(p)
  local folder, name = p:match("^(.*)/([^/]*)$")
  if not folder then
    return ".", p
  end
  return folder == "" and "/" or folder, name
end

function path.join(folder, p)
  if p:sub(1, 1) == "/" or folder == "" or folder == "." then
    return p
  end
  return (folder:gsub("/+$", "")) .. "/" .. p
end

--- Whether an absolute path without links is a folder or lies below it.
function path.below(p, folder)
  return p == folder or folder == "/" or p:sub(1, #folder + 1) == folder .. "/"
end

local function allowed(absolute, folders)
  if not confined then
    return true
  end
  for _, root in ipairs(folders or roots) do
    if path.below(absolute, root) then
      return true
    end
  end
  return false
end

local function refuse(p, absolute)
  local where = absolute == p and "" or " (" .. absolute .. ")"
  error(("'%s'%s lies outside of the folders that this recipe may use: %s; --data DIR allows one more, --trust all")
    :format(p, where, table.concat(roots, ", ")), 0)
end

-- The real path of a file that may not exist yet: that of its nearest folder that does, and the rest.
local function real_target(p)
  local absolute = core.realpath(p)
  if absolute then
    return absolute
  end
  local folder, name = path.split((p:gsub("/+$", "")))
  if name == "" or name == "." or name == ".." or core.is_link(p) then
    error(("'%s' is no path that can be written"):format(p), 0)
  end
  return path.join(real_target(folder), name)
end

--- Checks a path and returns it as an absolute one without links; else raises what is wrong with it.
-- @param p as people wrote it
-- @param purpose "read": a regular file; "folder": a folder; "write": a file or folder that may not exist yet
-- @param base folder that a relative path starts from (default: the current one)
function path.check(p, purpose, base)
  if type(p) ~= "string" or p == "" or p:find("\0", 1, true) then
    error(("a path should be a text, got %s"):format(type(p) == "string" and "an odd one" or type(p)), 0)
  end
  local full = path.join(base or ".", p)
  if purpose == "write" then
    local absolute = real_target(full)
    if not allowed(absolute) then
      refuse(p, absolute)
    elseif not allowed(absolute, open) then
      error(("'%s': a recipe may not write files; run with --trust to allow it"):format(p), 0)
    end
    return absolute
  end
  local absolute, message = core.realpath(full)
  if not absolute then
    -- where it may not look, a recipe does not learn what is there
    local folder = core.realpath((path.split(full)))
    if confined and not (folder and allowed(folder)) then
      refuse(p, full)
    end
    error(message, 0)
  end
  if not allowed(absolute) then
    refuse(p, absolute)
  end
  local kind = core.stat(absolute).type
  local want = purpose == "folder" and "folder" or "file"
  if kind ~= want then
    error(("'%s' is a %s, which should be a %s"):format(p, kind == "other" and "device or pipe" or kind, want), 0)
  end
  if watcher and purpose == "read" then
    watcher(absolute, full)
  end
  return absolute
end

return path
