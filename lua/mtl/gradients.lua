--- What a policy on gradients is given, and the gradient that it asks for: the Gramian, the Gramians of slices, or the
-- rows of J themselves; over the shared parameters, over the last shared layer, or at the representation that all
-- tasks read. Sweeps leave each task's gradient summed over its labels (`remains` of them), not yet divided by them.
local core = require "mtl.core"
local diagnose = require "mtl.diagnose"
local measure = require "mtl.measure"

local gradients = {}

-- The table of products of task gradients, divided by what they are sums of. @param of, and_of by position
local function divided(products, measured, of, and_of)
  local gram = {}
  for i, a in ipairs(measured) do
    gram[i] = {}
    for j, b in ipairs(measured) do
      local labels = (of[a.task.index] or 0) * (and_of[b.task.index] or 0) -- of three batches one may have none
      gram[i][j] = labels > 0 and products[a.task.index][b.task.index] / labels or 0
    end
  end
  return gram
end

local function labels_of(measured)
  local labels = {}
  for _, m in ipairs(measured) do
    labels[m.task.index] = m.remains
  end
  return labels
end

--- The Gramian of the gradients of these tasks over the shared parameters below `prefix` (nil: all).
function gradients.gram(t, measured, prefix)
  local labels = labels_of(measured)
  return divided(core.gram(t.model, prefix), measured, labels, labels)
end

--- Path of the last layer with parameters, in the order of computation, that all tasks of a stage share; nil: none.
function gradients.last_shared(model, mask)
  local last
  for _, layer in ipairs(model:layers()) do
    if layer.parameters > 0 and layer.tasks & mask == mask then
      last = layer.path
    end
  end
  return last
end

-- Gramians by slices of the shared parameters, layers or single matrices; and for each slot the place of its slice.
local function slices(t, measured, kind)
  local place, grams, of_slot, labels = {}, {}, {}, labels_of(measured)
  for k, p in ipairs(t.model:parameters()) do
    of_slot[k] = 1
    if p.tasks & (p.tasks - 1) ~= 0 then
      local name = kind == "matrix" and p.name or p.name:match "^(.*)%.[^.]*$" or p.name
      local gram = divided(core.gram(t.model, p.name), measured, labels, labels)
      if not place[name] then
        grams[#grams + 1] = gram
        place[name] = #grams
      else
        for i, row in ipairs(grams[place[name]]) do
          for j = 1, #row do
            row[j] = row[j] + gram[i][j]
          end
        end
      end
      of_slot[k] = place[name]
    end
  end
  return grams, of_slot
end

-- The gradients of these tasks as a tensor [#measured, ...], divided by their labels, out of one with a row for every
-- task of the recipe; where all tasks are there, in the recipe's order, it is that tensor.
local function rows_of(all, measured, hold)
  local rows, in_place = all, #measured == #all
  for i, m in ipairs(measured) do
    in_place = in_place and m.task.index == i
  end
  if not in_place then
    local shape = all:shape()
    rows = core.zeros(#measured, table.unpack(shape, 2)):to(all:device())
    hold[#hold + 1] = rows
  end
  for i, m in ipairs(measured) do
    local row <close> = rows[i]
    if rows ~= all then
      local from <close> = all[m.task.index]
      row:copy_(from)
    end
    row:mul_(1 / m.remains)
  end
  return rows
end

-- Puts rows that a policy may have written to where they came from.
local function put_back(rows, all, measured)
  for i, m in ipairs(rows ~= all and measured or {}) do
    local row <close> = rows[i]
    local to <close> = all[m.task.index]
    to:copy_(row)
  end
end

local function gram_at_representation(work, measured, pool, hold)
  local all, labels = work.cotangents, labels_of(measured)
  if pool == "sum" then
    all = all:sum(2)
    hold[#hold + 1] = all
  end
  return divided(core.products(all, all), measured, labels, labels)
end

--- Gives ctx what the policy needs. @param work what gradients.sweep left
function gradients.give(t, ctx, measured, work, hold)
  local policy = t.policy.object
  local at_representation = policy.at == "representation"
  if policy.needs == "rows" then
    work.all = at_representation and work.cotangents or t.model:rows()
    work.given = rows_of(work.all, measured, hold)
    ctx.rows, ctx.representation = work.given, work.through and work.through:detach()
    hold[#hold + 1] = ctx.representation
  elseif policy.needs == "slice_gram" then
    ctx.slices, work.slice_of = slices(t, measured, policy.slices or "layer")
  elseif policy.batches > 1 then
    ctx.gram = divided(work.products, measured, work.labels[1], work.labels[2])
  elseif at_representation then
    ctx.gram = gram_at_representation(work, measured, policy.pool, hold)
  else
    local last = policy.at == "last_shared" and gradients.last_shared(t.model, t.recipe.stages[t.at.stage].mask)
    ctx.gram = gradients.gram(t, measured, last or nil)
  end
end

-- Diagnostics are of the parameters' gradients: where the step's sweep ends at the representation, the pass is made
-- once more for them.
local function diagnose_again(t, stage, batches, roots)
  local hold, measured, again, names = {}, {}, {}, {}
  for i, root in ipairs(roots) do
    measured[i] = { task = t.recipe.tasks[root.row], remains = root.scale }
    names[i] = measured[i].task.name
  end
  for i, loss in ipairs(measure.again(t, stage, batches, measured, hold)) do
    again[i] = { value = loss, scale = roots[i].scale, row = roots[i].row }
  end
  core.backward(again, #t.recipe.tasks)
  diagnose.log(t, names, gradients.gram(t, measured))
  measure.zero_grad(t)
  for _, tensor in ipairs(hold) do
    local _ <close> = tensor
  end
end

--- Takes each task's gradient of a batch by itself: one sweep for all.
-- @param roots of measure.add; work a table that lasts for the step
function gradients.sweep(t, stage, batches, roots, work)
  local policy, n = t.policy.object, #t.recipe.tasks
  if roots.through and #roots > 0 then
    if diagnose.due(t) then
      diagnose_again(t, stage, batches, roots)
    end
    work.through, work.cotangents = roots.through, core.backward(roots, n, roots.through)
    return
  elseif #roots > 0 then
    core.backward(roots, n)
  end
  work.labels = work.labels or {}
  if #work.labels < policy.batches - 1 then -- a batch of those that only the weights are made from
    local labels = {}
    for _, root in ipairs(roots) do
      labels[root.row] = root.scale
    end
    work.labels[#work.labels + 1] = labels
    if work.rows then
      work.products = core.products(work.rows, t.model:rows())
    else
      work.rows = t.model:rows():clone()
    end
    measure.zero_grad(t)
  end
end

--- Leaves the gradient that the policy asked for in the model.
-- @param weights by position (or a list of such lists, by slices); own: factors of the heads' gradients, by position
function gradients.mix(t, measured, mask, weights, own, work)
  local n, shared, heads = #t.recipe.tasks, {}, {}
  local lists = work.slice_of and weights or { weights }
  for k = 1, #lists do
    shared[k] = {}
  end
  for index = 1, n do
    heads[index] = 0
    for k = 1, #lists do
      shared[k][index] = 0
    end
  end
  for i, m in ipairs(measured) do
    local index = m.task.index
    for k, list in ipairs(lists) do
      shared[k][index] = work.given and list[i] or list[i] / m.remains
    end
    heads[index] = own[i] / m.remains
    for _, leaf in ipairs(t.loss_leaves[index]) do
      leaf:scale(heads[index])
    end
  end
  if work.given then
    put_back(work.given, work.all, measured)
  end
  if work.through then -- what lies above it and is another task's too, one of another stage, is a head here
    local seed <close> = core.zeros(table.unpack(work.through:shape())):to(work.through:device())
    for _, m in ipairs(measured) do
      local row <close> = work.cotangents[m.task.index]
      seed:add_(row, shared[1][m.task.index])
    end
    if work.through:requires_grad() then -- a trunk that is frozen, or has no parameters, has no gradient
      core.backward { { value = work.through, seed = seed } }
    end
  end
  core.mix(t.model, mask, work.slice_of and shared or work.through and heads or shared[1], heads,
    #measured > 1 and t.policy.object.max_norm or 0, work.slice_of)
end

return gradients
