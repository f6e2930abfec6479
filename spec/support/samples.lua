--- Made-up predictions and targets for any loss, KPI or metric: of the first form that it says it fits. Row 5 of every
-- target has no label.
local core = require "mtl.core"

local samples = { rows = 12 }

local nan = 0 / 0

local function spread(shape, seed)
  return core.uniform_(core.zeros(table.unpack(shape)), seed, "spec/samples", 0, 0.03, 0.97)
end

local function without(target)
  target[5]:copy_(core.full(target[5]:shape(), target:dtype() == "int32" and -1 or nan, target:dtype()))
  return target
end

local function classes(shape)
  local y = (spread(shape, 2) * 3 - 0.5):clamp(0, 2)
  return without((y + 0.5):cast "int32")
end

-- { what a head gives for an example, description of the target, predictions, targets }
local forms = {
  { { 3 }, { kind = "class", classes = 3 }, function() return spread({ 12, 3 }, 1) * 4 end,
    function() return classes { 12 } end },
  { { 3, 2, 2 }, { kind = "class", classes = 3, shape = { 2, 2 } },
    function() return spread({ 12, 3, 2, 2 }, 1) * 4 end, function() return classes { 12, 2, 2 } end },
  { { 1 }, { kind = "number", shape = {} }, function() return spread({ 12, 1 }, 3) end,
    function() return without(spread({ 12 }, 4)) end },
  { { 3 }, { kind = "number", shape = { 3 } }, function() return spread({ 12, 3 }, 5) - 0.2 end,
    function()
      local y = spread({ 12, 3 }, 6)
      return without(y / y:sum(2, true))
    end },
  { { 4 }, { kind = "number", shape = { 4 } }, function() return spread({ 12, 4 }, 7) end,
    function() return without(spread({ 12, 4 }, 8)) end },
}

--- @param of a declaration: { kind, type, fits }
-- @return predictions, targets, targets without any label
function samples.of(declaration)
  for i, form in ipairs(forms) do
    local out, description = form[1], form[2]
    if not declaration:fits(out, description) and (declaration.type ~= "custom" or i == 3) then
      local pred, target = form[3](), form[4]()
      local none = core.full(target:shape(), target:dtype() == "int32" and -1 or nan, target:dtype())
      if i == 3 then
        pred = pred:reshape(12)
      end
      return pred, target, none
    end
  end
  error(("spec: no sample fits %s.%s"):format(declaration.kind, declaration.type))
end

--- Compares the gradient of f(x), a scalar, with central differences. @return the gradient
function samples.check_gradient(f, x, step, tolerance)
  step, tolerance = step or 1e-3, tolerance or 2e-3
  local leaf = x:clone():requires_grad(true)
  core.backward { { value = f(leaf) } }
  local gradient = leaf:grad():reshape(-1):totable()
  local flat, shape = x:reshape(-1):totable(), x:shape()
  local function at(i, by)
    local moved = table.move(flat, 1, #flat, 1, {})
    moved[i] = moved[i] + by
    return f(core.tensor(moved):reshape(shape)):item()
  end
  for i, g in ipairs(gradient) do
    local difference = (at(i, step) - at(i, -step)) / (2 * step)
    if g ~= g or math.abs(g - difference) > tolerance * math.max(1, math.abs(g)) then
      error(("gradient %d is %g, by central differences %g"):format(i, g, difference), 2)
    end
  end
  return gradient
end

return samples
