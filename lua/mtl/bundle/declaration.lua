--- A recipe as plain values, for the manifest of a bundle: its keys, and declarations as { type = "loss.huber",
-- options }. Tensors and functions are only named: the recipe's file has them.
local core = require "mtl.core"
local declare = require "mtl.declare"
local param = require "mtl.param"

local KEYS = { "name", "seed", "data", "trunk", "model", "optimizer", "policy", "kpi_momentum", "clip", "accumulate",
  "select", "log_every", "diagnose", "device", "threads", "only", "flat" }
local TASK = { "name", "target", "head", "loss", "kpi", "metrics", "data" }
local STAGE = { "name", "tasks", "policy", "ends", "max_epochs", "optimizer", "freeze", "reset_optimizer" }

local plain

local function fields(source, keys, into)
  for _, key in ipairs(keys) do
    into[key] = plain(source[key])
  end
  return into
end

function plain(value)
  if core.type(value) == "mtl.tensor" then
    return ("tensor %s [%s]"):format(value:dtype(), table.concat(value:shape(), ", "))
  elseif declare.is(value) then
    local keys = {}
    for name in pairs(declare.definition(value).params) do
      keys[#keys + 1] = name
    end
    return fields(value, keys, { type = value.kind .. "." .. value.type })
  elseif param.plain(value) then
    local copy = #value > 0 and core.array {} or {}
    for key, v in pairs(value) do
      copy[#value > 0 and key or tostring(key)] = plain(v)
    end
    return copy
  elseif type(value) == "function" or type(value) == "userdata" then
    return "a " .. type(value)
  end
  return value
end

local function each(list, keys)
  local out = core.array {}
  for i, entry in ipairs(list) do
    out[i] = fields(entry, keys, {})
  end
  return out
end

return function(recipe)
  local d = fields(recipe, KEYS, {})
  d.tasks, d.stages = each(recipe.tasks, TASK), each(recipe.stages, STAGE)
  return d
end
