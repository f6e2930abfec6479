--- Predictions beside targets, element by element, for losses, KPIs and metrics. What is missing (NaN; below 0 for a
-- class) is left out, and leaves no trace in values or gradients.
local core = require "mtl.core"

local element = {}

local function same(a, b)
  if #a ~= #b then
    return false
  end
  for i = 1, #a do
    if a[i] ~= b[i] then
      return false
    end
  end
  return true
end

--- Predictions in the shape of targets of as many numbers: [batch, 1] for [batch]; beside classes, as they stand.
function element.match(pred, target)
  if target:dtype() ~= "float32" or pred:count() ~= target:count() then
    return pred
  end
  local shape = target:shape()
  return same(pred:shape(), shape) and pred or pred:reshape(shape)
end

local function reshaped(pred, target)
  if pred:count() ~= target:count() then
    error(("predictions of shape [%s] for targets of shape [%s]"):format(table.concat(pred:shape(), ", "),
      table.concat(target:shape(), ", ")), 0)
  end
  return element.match(pred, target)
end

--- Numbers: pred in the target's shape, the target as floats with 0 where it is missing, the mask of what is missing
-- (1 or 0; nil where nothing is), how many elements remain.
function element.numbers(pred, target)
  if target:dtype() ~= "float32" then
    target = target:cast "float32"
  end
  local missing = target:isnan()
  local gone = missing:sum():item()
  pred = reshaped(pred, target)
  if gone == 0 then
    return pred, target, nil, target:count()
  end
  return pred, core.where(missing, 0, target), missing, target:count() - math.tointeger(gone)
end

--- Yes or no: the same for targets of 0 and 1, numbers (NaN missing) or classes (below 0 missing).
function element.binary(pred, target)
  local as_classes = target:dtype() ~= "float32"
  if as_classes then
    target = target:cast "float32"
    target = core.where(target:lt(0), 0 / 0, target)
  end
  local y, missing, n
  pred, y, missing, n = element.numbers(pred, target)
  if n > 0 and (y:max():item() > 1 or y:min():item() < 0) then
    error(("targets from %g to %g, which should be from 0 (no) to 1 (yes)"):format(y:min():item(), y:max():item()), 0)
  end
  return pred, y, missing, n
end

--- Mean of `e` over what remains; 0, without a gradient, where nothing does.
function element.mean(e, missing, n)
  if n == 0 then
    return core.full({}, 0)
  elseif missing then
    return core.where(missing, 0, e):sum() / n
  end
  return e:mean()
end

--- Sum over what remains, as a number.
function element.sum(e, missing)
  if missing then
    e = core.where(missing, 0, e)
  end
  return e:sum():item()
end

--- Classes: whether predictions [batch, classes, ...] stand for several classes (else yes or no), and for several,
-- what is missing (1 or 0), what remains, and the target with 0 where it is missing.
function element.several(pred, target)
  return target:dtype() == "int32" and pred:rank() == target:rank() + 1 and pred:shape(2) > 1
end

function element.classes(target, ignore)
  local missing = target:lt(0)
  if ignore and ignore >= 0 then
    missing = missing:maximum(target:eq(core.full({}, ignore, "int32")))
  end
  local gone = math.tointeger(missing:sum():item())
  local y = gone == 0 and target or core.where(missing, 0, target:cast "float32"):cast "int32"
  return y, missing, target:count() - gone
end

-- ---- does a head fit? Each returns nil, or what is wrong ----

local function product(shape)
  local n = 1
  for _, size in ipairs(shape or {}) do
    n = n * size
  end
  return n
end

local function shown(shape)
  return "[" .. table.concat(shape, ", ") .. "]"
end

--- One output for each number of the target.
function element.fits_numbers(self, out, target)
  if target.kind ~= "number" then
    return ("%s.%s compares numbers, but the target is one of %d classes"):format(self.kind, self.type, target.classes)
  elseif product(out) ~= product(target.shape) then
    return ("the head gives %s for each example, but the target has %d number%s"):format(shown(out),
      product(target.shape), product(target.shape) == 1 and "" or "s")
  end
end

--- One output for each class.
function element.fits_classes(self, out, target)
  if target.kind ~= "class" then
    return ("%s.%s wants a class, but the target is a number"):format(self.kind, self.type)
  elseif out[1] ~= target.classes then
    return ("the head gives %s for each example, but the target has %d classes: the first size should be %d"):format(
      shown(out), target.classes, target.classes)
  end
end

--- One output for yes or no: numbers of 0 and 1, or two classes.
function element.fits_binary(self, out, target)
  if target.kind == "number" then
    return element.fits_numbers(self, out, target)
  elseif target.classes > 2 then
    return ("%s.%s is for yes or no, but the target has %d classes"):format(self.kind, self.type, target.classes)
  elseif out[1] ~= 1 then
    return ("the head gives %s for each example; yes or no is 1 output"):format(shown(out))
  end
end

--- Either.
function element.fits_any_class(self, out, target)
  if target.kind == "class" and (target.classes > 2 or out[1] ~= 1) then
    return element.fits_classes(self, out, target)
  end
  return element.fits_binary(self, out, target)
end

return element
