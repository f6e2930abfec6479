--- (x - mean) / std of each channel: a number for all, or a list with one for each. Pixels are from 0 to 1 before it.
local transform = require "mtl.transform"

local normalize = transform.define { -- no tail call: define looks for this file on the stack
  name = "normalize",
  positional = { "mean", "std" },
  params = {
    mean = { required = true, type = "number or numbers" },
    std = { required = true, type = "number or numbers", above = 0 },
  },
}

return normalize
