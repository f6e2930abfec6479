--- Predictions beside targets, element by element, for losses, KPIs and metrics. What is missing (NaN; below 0 for a
-- class) is left out, and leaves no trace in values or gradients. What concerns targets alone is found on the CPU,
-- where those of a batch still lie (target:host()), so that a device is not waited for.
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

--- Whether two tensors have the same shape.
function element.same_shape(a, b)
  return same(a:shape(), b:shape())
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

local function floats(target)
  return target:dtype() == "float32" and target or target:cast "float32"
end

-- Both with 0 where `missing` is 1, so that what a model gives there cannot matter; the mask, how many remain.
local function masked(pred, target, missing, gone)
  return core.where(missing, 0, pred), core.where(missing, 0, target), missing, missing:count() - gone
end

-- A tensor of the CPU on the device of `like`, surveyed: what is counted with it there need not wait.
local function moved(t, like)
  t:survey()
  return t:to(like:device())
end

--- Numbers of a declaration, as weights of classes, on the device of `like`.
function element.constants(numbers, like)
  return moved(core.tensor(numbers), like)
end

--- Numbers: pred in the target's shape and the target as floats, both with 0 where it is missing, the mask of what is
-- missing (1 or 0; nil where nothing is), how many elements remain.
function element.numbers(pred, target)
  local gone = target:dtype() == "float32" and target:survey() or 0
  target = floats(target)
  pred = reshaped(pred, target)
  if gone == 0 then
    return pred, target, nil, target:count()
  end
  return masked(pred, target, target:isnan(), gone)
end

--- Vectors along dimension `dim`: the same, but a vector is missing as a whole: where any of its numbers is NaN or,
-- with `zero`, all are 0. The mask has size 1 in that dimension, and vectors are counted.
function element.vectors(pred, target, dim, zero)
  local host = floats(target:host())
  local gone, zeros = host:survey()
  target = floats(target)
  pred = reshaped(pred, target)
  if gone == 0 and not (zero and zeros > 0) then
    return pred, target, nil, target:count() // target:shape(dim)
  end
  local missing = host:isnan():max(dim, true)
  if zero then
    missing = missing:maximum(host:eq(0):min(dim, true))
  end
  gone = math.tointeger(missing:sum():item())
  if gone == 0 then
    return pred, target, nil, missing:count()
  end
  return masked(pred, target, moved(missing, target), gone)
end

--- Targets of which only those above 0 are known, as depths; the rest become NaN.
function element.positive(target)
  local _, _, least = target:survey()
  if least > 0 then
    return target
  end
  local host = target:host()
  return moved(core.where(host:le(0), 0 / 0, host), target)
end

--- Refuses targets that are not from 0 (no) to 1 (yes). @return how many are missing
function element.yes_no(target)
  local gone, _, least, greatest = target:survey()
  local classes = target:dtype() ~= "float32"
  least = classes and math.max(least, 0) or least -- what is below has no label
  if gone < target:count() and (greatest > 1 or least < 0) then
    error(("targets from %g to %g, which should be from 0 (no) to 1 (yes)%s"):format(least, greatest, classes and ""
      or "; for a target that is a number there are kpi.r2, kpi.within, loss.mse, loss.huber"), 0)
  end
  return gone
end

--- Targets of yes or no, numbers (NaN missing) or classes (below 0 missing), as 1 and 0, NaN where they are missing.
-- @return how many are
function element.truth(target)
  local gone = element.yes_no(target)
  if target:dtype() ~= "float32" then
    target = target:cast "float32"
    target = gone > 0 and core.where(target:lt(0), 0 / 0, target) or target
  end
  return target, gone
end

--- Yes or no: as element.numbers.
function element.binary(pred, target)
  local gone
  target, gone = element.truth(target)
  if gone > 0 then
    return masked(reshaped(pred, target), target, target:isnan(), gone)
  end
  return reshaped(pred, target), target, nil, target:count()
end

--- Mean of `e` over what remains; 0, without a gradient, where nothing does.
function element.mean(e, missing, n)
  if n == 0 then
    return core.full({}, 0):to(e:device())
  elseif missing then
    return core.where(missing, 0, e):sum() / n
  end
  return e:mean()
end

--- Fades what is right already: e (1 - p)^gamma, p the probability of the truth (Lin et al., ICCV 2017).
function element.focal(e, p, gamma)
  return gamma > 0 and (1 - p):clamp(1e-7) ^ gamma * e or e
end

--- Sum over what remains, a tensor.
function element.sum(e, missing)
  if missing then
    e = core.where(missing, 0, e)
  end
  return e:sum()
end

--- Classes: whether predictions [batch, classes, ...] stand for several classes (else yes or no); and for several, the
-- target with 0 where it is missing, the mask of what is missing (1 or 0; nil where nothing is), how many remain.
function element.several(pred, target)
  return target:dtype() == "int32" and pred:rank() == target:rank() + 1 and pred:shape(2) > 1
end

function element.classes(target, ignore)
  local gone, _, least, greatest = target:survey()
  local ignored = ignore and ignore >= 0 and ignore >= least and ignore <= greatest
  if gone == 0 and not ignored then
    return target, nil, target:count()
  end
  local host = target:host()
  local missing = host:lt(0)
  if ignored then
    missing = missing:maximum(host:eq(core.full({}, ignore, "int32")))
    gone = math.tointeger(missing:sum():item())
    if gone == 0 then
      return target, nil, target:count()
    end
  end
  local y = core.where(missing, 0, host:cast "float32"):cast "int32"
  return moved(y, target), moved(missing, target), target:count() - gone
end

--- Log-probability of the true class under predictions [batch, classes, ...], 0 where there is no label; then the
-- target with 0 where it is missing, the mask (nil where nothing is), how many remain.
function element.true_class(pred, target, ignore)
  local y, missing, n = element.classes(target, ignore)
  local shape = y:shape()
  table.insert(shape, 2, 1)
  if missing then
    pred = core.where(missing:reshape(shape), 0, pred)
  end
  local log_p = pred:log_softmax(2):gather(2, y:reshape(shape)):reshape(y:shape())
  return missing and core.where(missing, 0, log_p) or log_p, y, missing, n
end

return element
