--- Puts the tensors that specs of operators, losses and KPIs make on $MTL_DEVICE. Data sets stay where they are: of
-- specs that train, only the model moves.
local core = require "mtl.core"
local device = require "mtl.device".default()

local of_operators = { "/ops", "/loss", "/kpi", "/metric_spec", "/nn", "/module", "/samples" }

local function wanted(source)
  for _, name in ipairs(of_operators) do
    if source:find("spec.*" .. name) then
      return true
    end
  end
end

for _, name in ipairs { "tensor", "zeros", "ones", "full", "arange", "rand", "randn", "permutation" } do
  local make = core[name]
  core[name] = function(...)
    local t = make(...)
    return wanted(debug.getinfo(2, "S").short_src) and t:to(device) or t
  end
end
