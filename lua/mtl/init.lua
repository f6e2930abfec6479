--- mtl: multi-task learning. Subjects are loaded when they are first named; tensors and their functions are mtl.core's.
local nearest = require "mtl.nearest"

local modules = {
  nn = "mtl.nn", loss = "mtl.loss", kpi = "mtl.kpi", metric = "mtl.metric", policy = "mtl.policy", optim = "mtl.optim",
  when = "mtl.when", stages = "mtl.stage", data = "mtl.data", dataset = "mtl.dataset",
}

-- Functions of a module under another name.
local functions = {
  recipe = { "mtl.recipe", "new" }, load = { "mtl.run", "load" },
}

-- What people call of the core; the rest (files, memory, the machine) is mtl's own affair.
local core_names = {}
for name in ([[VERSION tensor zeros ones full rand randn arange no_grad manual_seed
  matmul linear conv2d max_pool2d avg_pool2d batch_norm dropout cross_entropy bce_logits
  neg abs exp log sqrt square sign relu leaky_relu gelu sigmoid tanh clamp isnan add sub mul div pow minimum maximum
  eq ne lt le gt ge where cast sum mean max min argmax argmin softmax log_softmax reshape expand slice select transpose
  permute cat stack take gather one_hot sort topk]]):gmatch "%S+" do
  core_names[name] = true
end

local function find(name)
  if modules[name] then
    return require(modules[name])
  elseif functions[name] then
    return require(functions[name][1])[functions[name][2]]
  elseif core_names[name] then
    return require "mtl.core"[name]
  end
end

return setmetatable({}, {
  __index = function(mtl, name)
    local value = find(name)
    if value == nil then
      local names = {}
      for _, source in ipairs { modules, functions, core_names } do
        for key in pairs(source) do
          names[key] = true
        end
      end
      require "mtl.declare".fail("mtl: " .. nearest.unknown("function or part", name, names))
    end
    rawset(mtl, name, value)
    return value
  end,
})
