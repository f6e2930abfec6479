--- Inputs that stand in columns of a table. `inputs = { "carat", "color" }`: one input of floats, numbers normalised,
-- one feature a level of text. `fields = { dense = { "carat" }, sparse = { "color", "city" } }`: several; one of
-- numbers is [rows, columns] floats, one of text or classes [rows, columns] int32 codes for nn.embedding. The codes of
-- a field's columns follow one another: the levels of the first, then one for what is missing or unknown there, then
-- the levels of the second ...
local core = require "mtl.core"
local column = require "mtl.data.column"
local labels = require "mtl.data.labels"

local features = {}

local function list(what, columns)
  local specs = {}
  for i, s in ipairs(type(columns) == "table" and columns or {}) do
    specs[i] = column.spec(("%s %d"):format(what, i), s)
  end
  if #specs == 0 then
    error(("%s should name at least one column: { \"carat\", \"color\" }"):format(what), 0)
  end
  return specs
end

--- The options `inputs` or `fields`, checked. @return { names = inputs in order, of = specs by name, codes = whether
-- text becomes codes }
function features.specs(what, inputs, fields)
  local specs = { names = {}, of = {}, codes = fields ~= nil }
  if not fields then
    specs.names[1], specs.of.input = "input", list(what .. ": input", inputs)
    return specs
  end
  for name, columns in pairs(fields) do
    if type(name) ~= "string" then
      error(('%s: fields should name each input: { dense = { "carat" }, sparse = { "color" } }'):format(what), 0)
    end
    specs.names[#specs.names + 1] = name
    specs.of[name] = list(("%s: field '%s': column"):format(what, name), columns)
  end
  table.sort(specs.names)
  if #specs.names == 0 then
    error(('%s: fields should name at least one input: { dense = { "carat" }, sparse = { "color" } }'):format(what), 0)
  end
  return specs
end

-- What a run kept of the columns of an input.
local function kept_of(specs, state, name)
  if not specs.codes then
    return type(state.inputs) == "table" and state.inputs or {}
  end
  return type(state.fields) == "table" and type(state.fields[name]) == "table" and state.fields[name] or {}
end

--- What an earlier run kept should be of these columns.
function features.check_state(what, specs, state)
  for _, name in ipairs(specs.names) do
    local kept = kept_of(specs, state, name)
    for i, spec in ipairs(specs.of[name]) do
      labels.same(what, specs.codes and ("field '%s', column %d,"):format(name, i) or "input " .. i, spec, kept[i])
    end
    if #kept > #specs.of[name] then
      error(("%s: this run is of another recipe: it had %d inputs, here there are %d"):format(what, #kept,
        #specs.of[name]), 0)
    end
  end
end

--- Columns of a file, by input.
-- @param state what was fitted, or nil
function features.read(csv, path, specs, state)
  local raw = {}
  for _, name in ipairs(specs.names) do
    raw[name] = {}
    local kept, text, number = state and kept_of(specs, state, name) or {}, nil, nil
    for i, spec in ipairs(specs.of[name]) do
      raw[name][i] = column.read(csv, path, spec, kept[i])
      text = text or raw[name][i].codes and spec.column
      number = number or raw[name][i].numbers and spec.column
    end
    if specs.codes and text and number then
      error(("%s: field '%s': column '%s' holds numbers and column '%s' text, and a field has either: put them in two "
        .. "fields, or say { column = \"%s\", classes = true }"):format(path, name, number, text, number), 0)
    end
  end
  return raw
end

--- What is kept with the run: state.inputs or state.fields.
function features.fit(specs, raw, rows, normalize, state)
  local fitted = {}
  for _, name in ipairs(specs.names) do
    fitted[name] = core.array {}
    for i, r in ipairs(raw[name]) do
      fitted[name][i] = column.fit(r, rows, normalize)
    end
  end
  if specs.codes then
    state.fields = fitted
  else
    state.inputs = fitted.input
  end
end

-- Codes of the columns side by side; a missing or unknown one is the last of its column.
local function codes(raw, kept)
  local parts, first = {}, 0
  for i, r in ipairs(raw) do
    local n = #kept[i].levels
    local c = r.codes:cast "float32"
    parts[i] = (core.where(c:lt(0), n, c) + first):reshape(-1, 1)
    first = first + n + 1
  end
  return core.cat(parts, 2):cast "int32", first
end

--- @return fields in the order of names, shapes of the inputs, numbers of codes by name (only of inputs that are codes)
function features.encode(specs, raw, state)
  local fields, shapes, counts = {}, {}, {}
  for k, name in ipairs(specs.names) do
    local kept = kept_of(specs, state, name)
    local t
    if specs.codes and raw[name][1].codes then
      t, counts[name] = codes(raw[name], kept)
    else
      local parts = {}
      for i, r in ipairs(raw[name]) do
        parts[i] = column.features(r, kept[i])
      end
      t = core.cat(parts, 2)
      for _, part in ipairs(parts) do
        local _ <close> = part -- as large as what was made of them
      end
    end
    fields[k], shapes[k] = { tensor = t }, { t:shape(2) }
  end
  return fields, shapes, counts
end

-- The embeddings that read codes first should have a row for each.
local function check_layer(layer, name, count)
  if layer.type == "embedding" and layer.num_embeddings < count then
    error(("input '%s' has %d codes (the levels of its columns, and one a column for what is missing or unknown), but "
      .. "nn.embedding(%d, %d) has a row for %d: nn.embedding(%d, %d)"):format(name, count, layer.num_embeddings,
      layer.embedding_dim, layer.num_embeddings, count, layer.embedding_dim), 0)
  end
  for i, child in ipairs(layer.children or {}) do
    if i == 1 or layer.type ~= "sequential" then
      check_layer(child, name, count)
    end
  end
end

--- Refuses a model whose embeddings are too small for the codes of its inputs.
-- @param counts of codes, by input
-- @param graph the model as libmtl's JSON describes it, decoded
function features.check_codes(counts, graph)
  for name, count in pairs(counts) do
    for _, node in ipairs(graph.nodes) do
      for _, input in ipairs(node.inputs) do
        if input == name then
          check_layer(node.module, name, count)
        end
      end
    end
  end
end

return features
