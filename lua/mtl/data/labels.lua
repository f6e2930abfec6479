--- Targets that stand in columns of a table: of data.csv itself, and of the labels.csv beside a folder of images.
local column = require "mtl.data.column"

local labels = {}

--- Targets as people wrote them, checked. @param what "data.csv" @return specs by name, names sorted
function labels.specs(what, targets)
  local specs, names = {}, {}
  for name, s in pairs(targets) do
    specs[name] = column.spec(("%s: target '%s'"):format(what, tostring(name)), s, name)
    names[#names + 1] = name
  end
  table.sort(names)
  return specs, names
end

--- What an earlier run kept should be of this column.
function labels.same(what, name, spec, fitted)
  local kept = type(fitted) == "table" and fitted.column
  if kept ~= spec.column then
    error(("%s: this run is of another recipe: its %s was %s, here it is column '%s'"):format(what, name,
      kept and ("column '%s'"):format(kept) or "no column of a table", spec.column), 0)
  end
end

--- @param kept what was fitted by name, or nil
function labels.check_state(what, specs, kept)
  for name, spec in pairs(specs) do
    labels.same(what, ("target '%s'"):format(name), spec, type(kept) == "table" and kept[name])
  end
end

--- Columns of a file by target.
function labels.read(csv, path, specs, kept)
  local raw = {}
  for name, spec in pairs(specs) do
    raw[name] = column.read(csv, path, spec, kept and kept[name])
  end
  return raw
end

--- Refuses a target without any label among the training rows.
function labels.check(path, specs, names, raw, rows)
  for _, name in ipairs(names) do
    if not column.labelled(raw[name], rows) then
      error(("%s: column '%s' of target '%s' has no label in the %d training rows: every field is missing"):format(path,
        specs[name].column, name, #rows), 0)
    end
  end
end

--- What is kept with the run, by target.
-- @param like state of a data set that this one joins: its numbers are these ones' too; or nil
function labels.fit(names, raw, rows, like)
  local fitted = {}
  for _, name in ipairs(names) do
    fitted[name] = like and like.targets[name] or column.fit(raw[name], rows, false)
  end
  return fitted
end

--- @return fields in the order of names, descriptions by name
function labels.encode(names, raw, fitted)
  local fields, descriptions = {}, {}
  for i, name in ipairs(names) do
    local t
    t, descriptions[name] = column.target(raw[name], fitted[name])
    fields[i] = { tensor = t }
  end
  return fields, descriptions
end

return labels
