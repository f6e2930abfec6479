--- mtl.dataset(name [, options]): a known data set. Its descriptor is datasets/NAME.lua, its files lie in
-- datasets/NAME/.
local core = require "mtl.core"
local declare = require "mtl.declare"
local home = require "mtl.home"
local nearest = require "mtl.nearest"
local path = require "mtl.path"

local function names(folder)
  local list = {}
  for _, file in ipairs(core.listdir(folder)) do
    list[#list + 1] = file:match "^([%w_-]+)%.lua$"
  end
  return list
end

local loaded = {} -- descriptors by their file

return function(name, options)
  local folder = home.datasets()
  if type(name) ~= "string" then
    declare.fail("mtl.dataset: the first argument should be the name of a data set: "
      .. table.concat(names(folder), ", "))
  end
  local file = path.join(folder, name .. ".lua")
  if not name:match "^[%w_-]+$" or not core.stat(file) then
    declare.fail(nearest.unknown("data set", name, names(folder)))
  end
  loaded[file] = loaded[file] or assert(loadfile(file, "t"))(name)
  return loaded[file](options or {})
end
