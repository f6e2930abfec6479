--- The nearest valid name to one that is not valid, for messages.
local nearest = {}

--- Edit distance: insertions, deletions, replacements, and swaps of neighbours.
function nearest.distance(a, b)
  local before, last = nil, {}
  for j = 0, #b do
    last[j] = j
  end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if before and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, last = last, row
  end
  return last[#b]
end

-- Sorted names of a list or of a set's keys.
local function sorted(names)
  local list = {}
  for key, value in pairs(names) do
    local name = math.type(key) and value or key
    list[#list + 1] = type(name) == "string" and name or nil
  end
  table.sort(list)
  return list
end

--- The nearest of `names` (a list, or a set by key); nil where none is near.
function nearest.find(name, names)
  local best, least
  name = tostring(name):sub(1, 100):lower()
  for _, candidate in ipairs(sorted(names)) do
    local d = nearest.distance(name, candidate:lower())
    if not least or d < least then
      best, least = candidate, d
    end
  end
  return best and least <= math.max(2, #name // 3) and best or nil
end

--- What follows a message about an unknown name: the nearest valid one, else all of them.
function nearest.hint(name, names)
  local found = nearest.find(name, names)
  if found then
    return ("; did you mean '%s'?"):format(found)
  end
  local all = sorted(names)
  return #all > 0 and "; there are " .. table.concat(all, ", ") or "; there are none"
end

--- The whole message: there is no loss 'hubber'; did you mean 'huber'?
function nearest.unknown(what, name, names)
  return ("there is no %s '%s'%s"):format(what, tostring(name), nearest.hint(name, names))
end

return nearest
