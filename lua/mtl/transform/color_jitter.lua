--- Brightness, contrast and saturation times random factors, each uniform in 1 - x to 1 + x (torchvision's ColorJitter
-- without hue).
local transform = require "mtl.transform"

local color_jitter = transform.define { -- no tail call: define looks for this file on the stack
  name = "color_jitter",
  positional = { "brightness", "contrast", "saturation" },
  params = {
    brightness = { default = 0, type = "number", least = 0 },
    contrast = { default = 0, type = "number", least = 0 },
    saturation = { default = 0, type = "number", least = 0 },
  },
}

return color_jitter
