--- The keys of a table as a sorted list: an order that is the same each time. They are all texts, or all numbers.
return function(t)
  local list = {}
  for key in pairs(t) do
    list[#list + 1] = key
  end
  table.sort(list)
  return list
end
