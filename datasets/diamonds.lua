--- diamonds: 53,940 diamonds with size, color, price and grades. Source and license: diamonds/README.md.
-- Targets: price (a number: the logarithm of the price, normalised), cut (5 classes) and clarity (8), worst to best.
-- Inputs: carat, color, depth, table, x, y, z; 13 features. Rows are shuffled, then split 80/10/10.
local data = require "mtl.data"
local home = require "mtl.home"
local split = require "mtl.data.split"

return data.define {
  name = "diamonds",
  params = {
    batch = { default = 256, type = "size" },
    seed = { default = 1, type = "integer" },
    split = { default = { 0.8, 0.1, 0.1 }, type = "table", check = split.check },
  },
  open = function(self, at)
    return data.csv({
      path = "diamonds.csv.gz",
      inputs = {
        "carat", { column = "color", levels = { "D", "E", "F", "G", "H", "I", "J" } }, "depth", "table", "x", "y", "z",
      },
      targets = {
        price = { column = "price", log = true, normalize = true },
        cut = { column = "cut", levels = { "Fair", "Good", "Very Good", "Premium", "Ideal" } },
        clarity = { column = "clarity", levels = { "I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF" } },
      },
      split = self.split, batch = self.batch, seed = self.seed,
    }):open { path = home.files "diamonds", state = at.state }
  end,
}
