--- Another size, without regard to the ratio: images bilinear, dense targets nearest. resize(32) is resize(32, 32).
local transform = require "mtl.transform"

return transform.define {
  name = "resize",
  positional = { "height", "width" },
  params = { height = { required = true, type = "size" }, width = { type = "size" } },
  derive = function(self)
    self.width = self.width or self.height
  end,
  size = function(self)
    return self.height, self.width
  end,
}
