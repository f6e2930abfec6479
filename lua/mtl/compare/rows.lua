--- The rows of a comparison beyond the single tasks: what --set each of them is made with.
local declare = require "mtl.declare"
local override = require "mtl.recipe.override"

local rows = {}

local DRAWS = 10 -- of fixed weights, for four tasks and more

function rows.append(...)
  local list = {}
  for _, part in ipairs { ... } do
    table.move(part, 1, #part, #list + 1, list)
  end
  return list
end

local append = rows.append

--- Parts of a text at its commas; those within { } do not count.
function rows.split(text)
  local parts, depth, from = {}, 0, 1
  for at, c in text:gmatch "()([{},])" do
    depth = depth + (c == "{" and 1 or c == "}" and -1 or 0)
    if c == "," and depth == 0 then
      parts[#parts + 1] = text:sub(from, at - 1)
      from = at + 1
    end
  end
  parts[#parts + 1] = text:sub(from)
  for i, part in ipairs(parts) do
    parts[i] = part:match "^%s*(.-)%s*$"
  end
  return parts
end

--- Paths of the policies of all stages with two or more tasks; `tasks` are theirs.
function rows.places(recipe)
  local list = {}
  for i, stage in ipairs(recipe.stages) do
    if #stage.tasks > 1 then
      list[#list + 1] = { path = recipe.staged and ("stages.%d.policy"):format(i) or "policy", tasks = stage.tasks }
    end
  end
  return list
end

--- { { path, value } } that puts a policy into each of these places. @param text its text, or function(tasks) -> text
function rows.policy_set(places, text)
  local set = {}
  for i, place in ipairs(places) do
    set[i] = { place.path, type(text) == "function" and text(place.tasks) or text }
  end
  return set
end

-- Shares of the tasks: a list of lists.
local function grid(n)
  local shares = {}
  if n == 2 then
    for i, share in ipairs { 0.1, 0.25, 0.5, 0.75, 0.9 } do
      shares[i] = { share, 1 - share }
    end
  elseif n == 3 then
    for a = 4, 1, -1 do -- sixths: the ten interior points
      for b = 5 - a, 1, -1 do
        shares[#shares + 1] = { a / 6, b / 6, (6 - a - b) / 6 }
      end
    end
  else
    math.randomseed(1)
    for i = 1, DRAWS do -- Dirichlet(1, ..., 1)
      local sum = 0
      shares[i] = {}
      for t = 1, n do
        shares[i][t] = -math.log(1 - math.random())
        sum = sum + shares[i][t]
      end
      for t = 1, n do
        shares[i][t] = shares[i][t] / sum
      end
    end
  end
  return shares
end

-- policy.fixed for some of the tasks: their shares, times their number.
local function fixed(share_of, tasks)
  local sum, parts = 0, {}
  for _, name in ipairs(tasks) do
    sum = sum + share_of[name]
  end
  for i, name in ipairs(tasks) do
    parts[i] = (load("local " .. name) and "%s=%.6g" or "['%s']=%.6g"):format(name, share_of[name] / sum * #tasks)
  end
  return "fixed{" .. table.concat(parts, ",") .. "}"
end

--- Adds the grid of fixed weights.
function rows.fixed(add, recipe, places)
  for i, shares in ipairs(grid(#recipe.tasks)) do
    local share_of, shown = {}, {}
    for t, task in ipairs(recipe.tasks) do
      share_of[task.name] = shares[t]
      shown[t] = ("%.2g"):format(shares[t])
    end
    local name = #shares > 3 and ("fixed %d"):format(i) or "fixed " .. table.concat(shown, "/")
    add(name, "fixed", rows.policy_set(places, function(tasks)
      return fixed(share_of, tasks)
    end))
  end
end

-- Variants of a policy: { { name, set } }, one for each combination of the grid's values.
local function variants(name, declared, grids, places)
  local list = { { name, {} } }
  for _, entry in ipairs(grids) do
    local key, option = entry[1], not entry[1]:find(".", 1, true) and entry.option
    local takes = declared and declare.definition(declared).params[key]
    if not option or takes then
      local more = {}
      for _, variant in ipairs(list) do
        for _, value in ipairs(entry[2]) do
          local set = { { key, value } }
          if option then
            set = {}
            for i, place in ipairs(places) do
              set[i] = { place.path .. "." .. key, value }
            end
          end
          more[#more + 1] = { ("%s %s=%s"):format(variant[1], key, value), append(variant[2], set) }
        end
      end
      list = more
    end
  end
  return list
end

-- A row that is asked for by name: a policy, `recipe` for those that the recipe has, flat:POLICY for one stage of it.
local function named(name, recipe)
  local flat = name:match "^flat:%s*(.*)$"
  if name == "recipe" then
    return { name = name }
  end
  local ok, declared = pcall(override.value, flat or name, { type = "policy" })
  if not ok or not declare.is(declared, "policy") then
    error("compare: --policies: " .. (ok and ("'%s' is not a policy"):format(name) or tostring(declared)), 0)
  elseif flat and not recipe.staged then
    error(("compare: --policies: '%s': the recipe has no stages; leave flat: out"):format(name), 0)
  end
  return { name = name, text = flat or name, declared = declared, flat = flat ~= nil }
end

-- `all`: every policy with its defaults, but those that are asked for by name, and the rows that are there always.
local function every(list, recipe, refused)
  local given = { uniform = true, fixed = true }
  for _, entry in ipairs(list) do
    given[entry.name] = true
  end
  for _, name in ipairs(require "mtl.policy".names()) do
    local ok, entry = pcall(named, name, recipe)
    if not given[name] and ok then
      entry.optional = true
      list[#list + 1] = entry
    elseif not given[name] then
      refused[#refused + 1] = { name = name, reason = rows.reason(entry) }
    end
  end
end

--- What a message says, without where it was said.
function rows.reason(message)
  return (tostring(message):gsub("^compare: %-%-policies: ", ""):gsub("^[^%s:]+:%d+: ", "")
    :gsub("^stage '[^']*': ", ""))
end

local function read_policies(options, recipe, refused)
  local list, all = {}, false
  for _, name in ipairs(rows.split(options.policies or "uniform")) do
    if name == "" then
      error("compare: --policies has an empty name in it", 0)
    elseif name == "all" then
      all = true
    elseif name ~= "uniform" then -- which is there always
      list[#list + 1] = named(name, recipe)
    end
  end
  if all then
    every(list, recipe, refused)
  end
  return list
end

--- Adds the policies that are asked for, each with all values of --grid.
-- @param refused list that those of `all` go to that cannot be made: { name, reason }
function rows.policies(add, options, recipe, places, refused)
  local asked = read_policies(options, recipe, refused)
  for _, entry in ipairs(options.grid or {}) do
    for _, policy in ipairs(asked) do
      entry.option = entry.option or policy.declared and declare.definition(policy.declared).params[entry[1]] ~= nil
    end
  end
  for _, policy in ipairs(asked) do
    local at = policy.flat and { { path = "policy" } } or places
    local set = policy.declared and rows.policy_set(at, policy.text) or {}
    for _, variant in ipairs(variants(policy.name, policy.declared, options.grid or {}, at)) do
      add(variant[1], "policy", append(policy.flat and { { "flat", "true" } } or {}, set, variant[2]), nil,
        policy.optional)
    end
  end
end

-- Paths that --tune PATH changes: lr is the learning rate of every optimizer.
local function tuned_paths(recipe, key)
  if key ~= "lr" then
    return { key }
  end
  local paths = { "optimizer.lr" }
  for i, stage in ipairs(recipe.stages) do
    if stage.optimizer ~= recipe.optimizer then
      paths[#paths + 1] = ("stages.%d.optimizer.lr"):format(i)
    end
  end
  return paths
end

--- All combinations of the values to tune: { { name, set } }.
function rows.settings(recipe, tune)
  local list = { { name = "", set = {} } }
  for _, entry in ipairs(tune) do
    local more = {}
    for _, setting in ipairs(list) do
      for _, value in ipairs(entry[2]) do
        local set = {}
        for i, p in ipairs(tuned_paths(recipe, entry[1])) do
          set[i] = { p, value }
        end
        local name = (setting.name == "" and "" or setting.name .. " ") .. entry[1] .. "=" .. value
        more[#more + 1] = { name = name, set = append(setting.set, set) }
      end
    end
    list = more
  end
  return list
end

return rows
