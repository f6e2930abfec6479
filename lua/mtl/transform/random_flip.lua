--- Left and right change places with probability p (`vertical = true`: top and bottom).
local transform = require "mtl.transform"

local random_flip = transform.define { -- no tail call: define looks for this file on the stack
  name = "random_flip",
  positional = { "p" },
  params = {
    p = { default = 0.5, type = "number", least = 0, most = 1 },
    vertical = { default = false, type = "boolean" },
  },
}

return random_flip
