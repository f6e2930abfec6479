--- Columns of the input that predictions carry along (mtl predict --keep), so that they can be joined to what they are
-- of: as text, as they stand there.
local columns = require "mtl.data.columns"
local core = require "mtl.core"
local path = require "mtl.path"

local kept = {}

--- Reads columns of tables.
-- @param set kind and state of the data set that the model was trained with
-- @param files their paths @param names of the columns
-- @param taken names of other columns: one that is called so too becomes input.NAME
-- @return a list of { name =, values = texts by row, over all files }
function kept.read(set, files, names, taken)
  local kind, state = set.kind, set.state or {}
  if kind == "join" then
    kind, state = state.sets[1].kind, state.sets[1].state or {}
  end
  if kind ~= "csv" then
    error("predict: --keep copies columns of tables, and the model reads no tables; the column 'input' names the file",
      0)
  end
  local list = {}
  for k, name in ipairs(names) do
    list[k] = { name = taken[name] and "input." .. name or name, values = {} }
  end
  for _, file in ipairs(files) do
    local csv = core.csv_read(path.check(file, "read"), { separator = state.separator })
    for k, name in ipairs(names) do
      columns.check(csv, file, name)
      local texts, values = csv:texts(name), list[k].values
      table.move(texts, 1, #texts, #values + 1, values)
    end
  end
  return list
end

return kept
