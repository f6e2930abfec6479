--- What is learned outside of the model: the weights of a policy, the shape of a loss. Each is a leaf in an arena of
-- its own, with an optimizer of its own and no weight decay, so one that is not in a step stays untouched.
local core = require "mtl.core"

local leaf = {}
leaf.__index = leaf

--- @param slot name, value, shape (default { 1 })
-- @param settings of the optimizer, as optim's settings() gives them
-- @param device where it lies; nil: the CPU
function leaf.new(slot, settings, device)
  local own = {}
  for key, value in pairs(settings) do
    own[key] = value
  end
  own.weight_decay = 0
  local arena = core.arena({ { name = slot.name, shape = slot.shape or { 1 }, value = slot.value } }, device)
  return setmetatable({ name = slot.name, arena = arena, tensor = arena:parameters()[1].tensor,
    optimizer = core.optimizer(arena, own) }, leaf)
end

function leaf:zero_grad()
  self.arena:zero_grad()
end

--- Multiplies the gradient: what a sweep of task gradients left is not weighted yet.
function leaf:scale(weight)
  core.mix(self.arena, -1, { weight }, { weight })
end

function leaf:step(lr)
  self.optimizer:set { lr = lr }
  self.optimizer:step()
end

return leaf
