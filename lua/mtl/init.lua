--- mtl: multi-task learning. Subjects are loaded when they are first named; tensors and their functions are mtl.core's.
local core_names = require "mtl.names"
local nearest = require "mtl.nearest"

local modules = {
  nn = "mtl.nn", loss = "mtl.loss", kpi = "mtl.kpi", metric = "mtl.metric", policy = "mtl.policy", optim = "mtl.optim",
  when = "mtl.when", stages = "mtl.stage", data = "mtl.data", dataset = "mtl.dataset",
  transform = "mtl.transform", io = "mtl.io",
}

-- Functions of a module under another name.
local functions = {
  recipe = { "mtl.recipe", "new" }, load = { "mtl.run", "load" },
  save = { "mtl.keep", "save" },
}

local function find(name)
  if modules[name] then
    return require(modules[name])
  elseif functions[name] then
    return require(functions[name][1])[functions[name][2]]
  elseif core_names[name] then
    return require "mtl.core"[name]
  end
end

-- All names, also of what is not loaded yet.
local function all_names()
  local set, list = {}, {}
  for _, source in ipairs { modules, functions, core_names } do
    for key in pairs(source) do
      list[#list + 1], set[key] = not set[key] and key or nil, true
    end
  end
  table.sort(list)
  return list
end

return setmetatable({}, {
  __names = all_names, -- for completion at the prompt
  __index = function(mtl, name)
    local value = find(name)
    if value == nil then
      require "mtl.declare".fail("mtl: " .. nearest.unknown("function or part", name, all_names()))
    end
    rawset(mtl, name, value)
    return value
  end,
})
