--- A model as tables of text: its layers with the shapes that they give, and its parameters by the tasks they serve.
local text = require "mtl.cli.text"

local layers = {}

-- Names of the tasks of a mask.
local function reached(tasks, mask)
  local list = {}
  for i, task in ipairs(tasks) do
    if mask & 1 << (i - 1) ~= 0 then
      list[#list + 1] = task
    end
  end
  return #list == #tasks and #tasks > 1 and "all" or table.concat(list, ", ")
end

--- Lines of a table, a layer each. @param model a frozen core.model
function layers.lines(model)
  local rows, tasks = { { "layer", "type", "output", "parameters", "tasks" } }, model:outputs()
  for _, layer in ipairs(model:layers()) do
    rows[#rows + 1] = { layer.path, layer.type, text.shape(layer.out), layer.parameters > 0
      and text.count(layer.parameters) or "", reached(tasks, layer.tasks) }
  end
  return text.table(rows, { [4] = true })
end

--- Lines of a table: all parameters, those that tasks share, and those of each task alone.
function layers.totals(model)
  local shared, own, total, tasks = 0, {}, 0, model:outputs()
  for _, p in ipairs(model:parameters()) do
    local n, mine = p.tensor:count(), false
    for i in ipairs(tasks) do
      if p.tasks == 1 << (i - 1) then
        own[i], mine = (own[i] or 0) + n, true
      end
    end
    shared, total = shared + (mine and 0 or n), total + n
  end
  local rows = { { "parameters", text.count(total) }, { "  shared", text.count(shared) } }
  for i, task in ipairs(tasks) do
    rows[#rows + 1] = { "  " .. task, text.count(own[i] or 0) }
  end
  return text.table(rows, { [2] = true })
end

return layers
