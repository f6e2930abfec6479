--- A cut of this size at a random place, of the image with `padding` rows and columns around it (images 0, dense
-- targets missing). Outside of training: the centre.
local transform = require "mtl.transform"

return transform.define {
  name = "random_crop",
  positional = { "height", "width" },
  params = {
    height = { required = true, type = "size" },
    width = { type = "size" },
    padding = { default = 0, type = "count" },
  },
  derive = function(self)
    self.width = self.width or self.height
  end,
  fits = function(self, height, width)
    if self.height > height + 2 * self.padding or self.width > width + 2 * self.padding then
      return ("a cut of %d x %d (height x width) is larger than the image of %d x %d with padding %d"):format(
        self.height, self.width, height, width, self.padding)
    end
  end,
  size = function(self)
    return self.height, self.width
  end,
}
