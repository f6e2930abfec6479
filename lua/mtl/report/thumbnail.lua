--- Small pictures in a page: tensors as the base64 text of PNG files.
local core = require "mtl.core"

local thumbnail = {}

local MOST = 96 -- pixels a side
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

--- RFC 4648.
function thumbnail.base64(bytes)
  return (bytes:gsub("..?.?", function(part)
    local a, b, c = part:byte(1, 3)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    local text = ""
    for shift = 18, 24 - 6 * (#part + 1), -6 do
      local place = (n >> shift & 63) + 1
      text = text .. alphabet:sub(place, place)
    end
    return text .. ("="):rep(3 - #part)
  end))
end

-- Every k-th row and column, so that no side is longer than MOST.
local function shrunk(image)
  local shape = image:shape()
  local k = math.max(1, math.ceil(math.max(shape[2], shape[3]) / MOST))
  for dim = 2, k > 1 and 3 or 1 do
    local places = {}
    for i = 0, shape[dim] - 1, k do
      places[#places + 1] = i
    end
    image = image:take(dim, core.tensor(places, "int32"))
  end
  return image
end

local function encoded(image)
  return thumbnail.base64(core.png_encode((image + 0.5):clamp(0, 255):cast "uint8"))
end

--- Whether an input of this shape, without the batch, can be shown as a picture.
function thumbnail.fits(shape)
  return #shape == 3 and (shape[1] == 1 or shape[1] == 3) and shape[2] >= 4 and shape[3] >= 4
end

--- [1 or 3, height, width] of any numbers, its lowest black and its highest white.
function thumbnail.image(x)
  x = shrunk(x)
  local low, high = x:min():item(), x:max():item()
  return encoded((x - low) * (high > low and 255 / (high - low) or 0))
end

--- [1 or 3, height, width] of whole numbers up to `most`.
function thumbnail.whole(x, most)
  return encoded(shrunk(x:cast "float32") * (255 / most))
end

-- Colours of neighbouring classes lie far apart on the wheel.
local function colour(class)
  local hue, light = class * 0.618034 % 1 * 6, class % 3 * 40
  local list = {}
  for c = 1, 3 do
    local x = math.abs((hue + 2 * c) % 6 - 3) - 1
    list[c] = 60 + light + math.max(0, math.min(1, x)) * (150 - light)
  end
  return list
end

--- Classes of pixels, [height, width] of int32, in colours; -1 (no label) is black.
function thumbnail.labels(x, classes)
  x = shrunk(x:reshape(1, x:shape(1), x:shape(2)):cast "float32")
  local palette, shape = { { 0, 0, 0 } }, x:shape()
  for class = 0, classes - 1 do
    palette[class + 2] = colour(class)
  end
  local places = (x + 1):clamp(0, classes):cast("int32"):reshape(-1)
  return encoded(core.tensor(palette):take(1, places):transpose(1, 2):reshape(3, shape[2], shape[3]))
end

return thumbnail
