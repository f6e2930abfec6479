--- Transforms of images, made by the loader for every row anew: data = mtl.data.images { transforms = {
-- mtl.transform.random_crop(32, 32, { padding = 4 }), mtl.transform.random_flip() }, ... }. Dense targets move with
-- their image. The random ones act in training only; there a random crop is the centre of the image else.
local declare = require "mtl.declare"
local param = require "mtl.param"

local methods = {}

--- What core.loader takes: the type and the options.
function methods:plain()
  local t = { type = self.type }
  for name in pairs(declare.definition(self).params) do
    t[name] = self[name]
  end
  return t
end

--- Height and width of what comes out.
function methods.size(_, height, width)
  return height, width
end

local transform = declare.family("transform", { methods = methods })

--- Checks the option `transforms` of a data set: a list of declarations.
function transform.check(list)
  for key, t in pairs(list) do
    if math.type(key) ~= "integer" or key < 1 or key > #list then
      return ("transforms is a list, so '%s = ...' has no place in it"):format(tostring(key))
    elseif not declare.is(t, "transform") then
      return ("transforms[%d] is %s, which should be a transform, as mtl.transform.random_flip()"):format(key,
        param.show(t))
    end
  end
end

-- One number for every channel, or one for all.
local function channels_fit(t, channels)
  for _, name in ipairs { "mean", "std" } do
    if #t[name] ~= channels then
      error(("%s: %s has %d numbers, but the images have %d channel%s"):format(t.type, name, #t[name], channels,
        channels == 1 and "" or "s"), 0)
    end
  end
end

--- The option `transforms`, and `mean` and `std` where a data set has them, as core.loader takes them.
-- @param channels of the images
-- @return list
function transform.list(transforms, channels, mean, std)
  local list = {}
  for i, t in ipairs(transforms or {}) do
    list[i] = t:plain()
  end
  if mean or std then
    list[#list + 1] = { type = "normalize", mean = mean or 0, std = std or 1 }
  end
  for _, t in ipairs(list) do
    if t.type == "normalize" then
      for _, name in ipairs { "mean", "std" } do
        local one = t[name]
        if type(one) == "number" then
          t[name] = {}
          for c = 1, channels do
            t[name][c] = one
          end
        end
      end
      channels_fit(t, channels)
    end
  end
  return list
end

--- Whether they begin with a resize (flips and colours may stand before it), so that images may have any size.
function transform.resizes(list)
  for _, t in ipairs(list or {}) do
    if t.type == "resize" or t.type == "random_crop" or t.type == "random_scale" then
      return t.type == "resize"
    end
  end
  return false
end

--- The size of images after all of them. @param name of the first image, for messages
function transform.size(transforms, height, width, name)
  for _, t in ipairs(transforms or {}) do
    if t.fits then
      local wrong = t:fits(height, width)
      if wrong then
        error(("%s: transform.%s: %s"):format(name, t.type, wrong), 0)
      end
    end
    height, width = t:size(height, width)
  end
  return height, width
end

return transform
