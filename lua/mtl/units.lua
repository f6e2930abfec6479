--- Numbers in a target's own units.
local units = {}

--- The elements of a list at the given places.
function units.pick(list, places)
  local picked = {}
  for i, place in ipairs(places) do
    picked[i] = list[place]
  end
  return picked
end

--- Undoes what the data set did to a number (description.own): x * scale + shift, then exp of a logarithm.
function units.own(description, x)
  local own = description.own
  if not own then
    return x
  end
  x = x * own.scale + own.shift
  return own.log and x:exp() or x
end

return units
