--- Does a head fit its target? Each is the method `fits(self, out_shape, target)` of losses, KPIs and metrics: nil, or
-- what is wrong.
local fits = {}

local function same(a, b)
  return table.concat(a, ",") == table.concat(b, ",")
end

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

-- Sizes of more than 1, from the place `first`.
local function sizes(shape, first)
  local list = {}
  for i = first or 1, #(shape or {}) do
    list[#list + 1] = shape[i] > 1 and shape[i] or nil
  end
  return list
end

local function no_number(self, target)
  return ("%s.%s compares numbers, but the target is one of %d classes"):format(self.kind, self.type, target.classes)
end

--- One output for each number of the target; of images, in the same place.
function fits.numbers(self, out, target)
  if target.kind ~= "number" then
    return no_number(self, target)
  end
  local n, large, own = product(target.shape), sizes(target.shape), sizes(out)
  if product(out) ~= n then
    return ("the head gives %s for each example, but the target %s"):format(shown(out),
      #large > 1 and "is " .. shown(target.shape) or ("has %d number%s"):format(n, n == 1 and "" or "s"))
  elseif #large > 1 and #own > 1 and not same(large, own) then -- a flat head of as many outputs is reshaped
    return ("the head gives %s for each example, but the target is %s"):format(shown(out), shown(target.shape))
  end
end

--- The same for vectors, along the first size of a target: embeddings, surface normals [3, height, width].
function fits.vectors(self, out, target)
  if target.kind == "number" and ((target.shape or {})[1] or 0) < 2 then
    return ("%s.%s compares vectors, but the target is %s"):format(self.kind, self.type, shown(target.shape or {}))
  end
  return fits.numbers(self, out, target)
end

--- The same for boxes: [4], or [n, 4].
function fits.boxes(self, out, target)
  local shape = target.shape or {}
  if target.kind == "number" and (#shape < 1 or #shape > 2 or shape[#shape] ~= 4) then
    return ("%s.%s compares boxes x1, y1, x2, y2: [4] or [n, 4], but the target is %s"):format(self.kind, self.type,
      shown(shape))
  end
  return fits.numbers(self, out, target)
end

-- Outputs of `n` channels at every place of the target.
local function fits_places(out, target, n, what)
  local where = target.shape or {}
  if out[1] ~= n or not same({ table.unpack(out, 2) }, where) then
    return ("the head gives %s for each example, but the target has %s%s: it should give %s"):format(shown(out), what,
      #where > 0 and " at each of " .. shown(where) or "", shown { n, table.unpack(where) })
  end
end

--- One output for each class.
function fits.classes(self, out, target)
  if target.kind ~= "class" then
    return ("%s.%s wants a class, but the target is a number"):format(self.kind, self.type)
  end
  return fits_places(out, target, target.classes, ("%d classes"):format(target.classes))
end

--- One output for yes or no: numbers of 0 and 1, or two classes.
function fits.binary(self, out, target)
  if target.kind == "number" then
    return fits.numbers(self, out, target)
  elseif target.classes > 2 then
    return ("%s.%s is for yes or no, but the target has %d classes"):format(self.kind, self.type, target.classes)
  elseif out[1] ~= 1 then
    return ("the head gives %s for each example; yes or no is 1 output"):format(shown(out))
  end
  return fits_places(out, target, 1, "yes or no")
end

--- Either.
function fits.any_class(self, out, target)
  if target.kind == "class" and (target.classes > 2 or out[1] ~= 1) then
    return fits.classes(self, out, target)
  end
  return fits.binary(self, out, target)
end

return fits
