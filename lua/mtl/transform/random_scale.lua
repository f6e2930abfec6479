--- A zoom by a random factor from `low` to `high` about a random place; the size stays. A zoom by s divides depth by s.
local transform = require "mtl.transform"

return transform.define {
  name = "random_scale",
  positional = { "low", "high" },
  params = {
    low = { required = true, type = "number", above = 0 },
    high = { required = true, type = "number", above = 0 },
  },
  derive = function(self)
    if self.low > self.high then
      return ("low is %g, which should be at most high, %g"):format(self.low, self.high)
    end
  end,
}
