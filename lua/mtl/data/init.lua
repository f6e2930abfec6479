--- Data: declarations that open into a set (see set.lua). mtl.data.NAME is found in data/NAME.lua.
-- A definition has `open(self, at)`: at.path(p) gives the absolute path of a file beside the recipe, after the check;
-- at.folder is what relative paths start from; at.data_dir is the folder of --data, or nil; at.state is what an earlier
-- run kept, or nil; at.like, where data.join opens a set beside another one, is what it reads in the same way.
local declare = require "mtl.declare"

return declare.family("data")
