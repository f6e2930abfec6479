--- Diagnostics of the task gradients over the shared parameters, every `diagnose` steps, under any policy: their norms
-- and cosines, the share of pairs that conflict (cosine below 0), and how far the Gramian is from singular.
local core = require "mtl.core"

local diagnose = {}

--- Whether this step is one of them.
function diagnose.due(t)
  local n = t.recipe.diagnose
  return n > 0 and t.at.step % n == 0
end

--- What a Gramian says. @return { norms =, cosines =, conflicts =, condition = }; undefined values are nil
function diagnose.of(gram)
  local n, norms, cosines, conflicts, pairs_ = #gram, {}, {}, 0, 0
  for i = 1, n do
    norms[i] = math.sqrt(math.max(gram[i][i], 0))
  end
  for i = 1, n do
    cosines[i] = {}
    for j = 1, n do
      local product = norms[i] * norms[j]
      cosines[i][j] = product > 0 and math.max(-1, math.min(1, gram[i][j] / product)) or nil
      if j > i and product > 0 then
        pairs_ = pairs_ + 1
        conflicts = conflicts + (cosines[i][j] < 0 and 1 or 0)
      end
    end
  end
  local values = require "mtl.solve.eigen"(gram)
  local condition = values[n] > 0 and values[1] / values[n] or nil
  return { norms = norms, cosines = cosines, conflicts = pairs_ > 0 and conflicts / pairs_ or nil,
    condition = condition }
end

--- Writes a line of metrics.jsonl: norms by task, cosines by place in `tasks`.
function diagnose.log(t, tasks, gram)
  local d, norms, cosines = diagnose.of(gram), {}, core.array {}
  for i, name in ipairs(tasks) do
    norms[name], cosines[i] = d.norms[i], core.array {}
    for j = 1, #tasks do
      cosines[i][j] = d.cosines[i][j] or core.null
    end
  end
  t.log:write { kind = "diagnose", step = t.at.step, tasks = core.array { table.unpack(tasks) }, norms = norms,
    cosines = cosines, conflicts = d.conflicts or core.null, condition = d.condition or core.null }
end

return diagnose
