--- The rows of data.images: which files there are, in which order, to which split they go, and where their labels are.
local core = require "mtl.core"
local column_names = require "mtl.data.columns"
local files = require "mtl.data.files"
local labels = require "mtl.data.labels"
local nearest = require "mtl.nearest"
local path = require "mtl.path"
local split = require "mtl.data.split"

local listing = {}

local splits = { train = true, valid = true, test = true }

--- Checks the option `split`: fractions, { column = }, or folders.
function listing.check_split(s)
  if s.column ~= nil then
    return type(s.column) ~= "string" and "split.column should be the name of a column of labels.csv" or nil
  elseif #s > 0 or next(s) == nil then
    return split.check(s)
  end
  for key, folder in pairs(s) do
    if not splits[key] then
      return ("split: unknown key '%s'%s"):format(tostring(key), nearest.hint(key, splits))
    elseif type(folder) ~= "string" then
      return ("split.%s should be the name of a folder in dir"):format(key)
    end
  end
  return not s.train and "split should name a folder for train too: { train = \"train\", test = \"test\" }" or nil
end

local function by_folders(s)
  return s and #s == 0 and not s.column and s or nil
end

-- Notes the split of each file by its folder; `rest` is its name below that. Files of other folders are dropped.
local function assign(self, at, all)
  local folders, kept = by_folders(self.split), {}
  for name, folder in pairs(folders or {}) do
    files.folder(("data.images: split.%s"):format(name), path.join(self.dir, folder), at)
  end
  for _, row in ipairs(all) do
    row.rest = not folders and row.name or nil
    for name, folder in pairs(folders or {}) do
      if row.name:sub(1, #folder + 1) == folder .. "/" then
        row.split, row.rest = name, row.name:sub(#folder + 2)
      end
    end
    kept[#kept + 1] = row.rest and row or nil
  end
  if #kept == 0 then
    error(("%s: no image in the folders of the splits"):format(self.dir), 0)
  end
  return kept
end

-- The class of each file: its first folder.
local function classify(self, root, rows, skip)
  local folders, seen, count = by_folders(self.split) or { self.dir }, {}, 0
  for _, row in ipairs(rows) do
    row.class = row.rest:match "^([^/]+)/"
    if not row.class then
      error(("%s/%s: lies in no subfolder, and without labels every subfolder is a class: put it in one, or give "
        .. "labels = \"labels.csv\""):format(self.dir, row.name), 0)
    end
    count = count + (seen[row.class] and 0 or 1)
    seen[row.class] = true
  end
  for name, folder in pairs(folders) do
    local below = name == 1 and root or path.join(root, folder)
    for _, class in ipairs(files.subfolders(below)) do
      if not seen[class] and not skip[core.realpath(path.join(below, class))] then
        error(("%s/%s: no PNG in this folder, which should be a class"):format(self.dir, class), 0)
      end
    end
  end
  if folders[1] and seen.train then
    error(("%s: has a folder 'train': split = { train = \"train\", test = \"test\" } says that folders are splits; "
      .. "otherwise every subfolder is a class"):format(self.dir), 0)
  elseif count < 2 then
    error(("%s: has one subfolder ('%s'), and there should be one for each of several classes"):format(self.dir,
      (next(seen))), 0)
  end
end

-- The rows in the order of labels.csv.
local function by_table(self, csv, all)
  local by_name, used, rows = {}, {}, {}
  for _, row in ipairs(all) do
    by_name[row.name] = row
    by_name[row.stem] = by_name[row.stem] or row
  end
  column_names.check(csv, self.labels, self.file, function()
    local other = column_names.of_files(csv)
    return other and (" (file = \"%s\" says that '%s' names the images)"):format(other, other)
  end)
  for i, text in ipairs(csv:texts(self.file)) do
    local name = text:match "^%s*(.-)%s*$"
    local row = by_name[(name:gsub("^%./", ""))]
    if name == "" then
      error(("%s:%d: no file is named in column '%s'"):format(self.labels, csv:line(i), self.file), 0)
    elseif not row then
      error(("%s:%d: names '%s', which is no PNG file in %s%s"):format(self.labels, csv:line(i), name, self.dir,
        by_folders(self.split) and " and the folders of its splits (files are named from there on: train/a.png)"
        or " (files are named from there on: a.png, sub/a.png)"), 0)
    elseif used[row] then
      error(("%s:%d: names '%s', as line %d does"):format(self.labels, csv:line(i), name, csv:line(used[row])), 0)
    end
    used[row], rows[i] = i, row
  end
  for _, row in ipairs(all) do
    if not used[row] then
      error(("%s/%s: has no row in %s: add one (an empty field is a missing label), or take the file out of the folder")
        :format(self.dir, row.name, self.labels), 0)
    end
  end
  return rows
end

-- Specs of the targets that are columns: those named, or all but the file's, the split's and the weights'.
local function columns(self, csv)
  local wanted, some = {}, false
  for name, s in pairs(self.targets or {}) do
    if not (type(s) == "table" and s.dir) then
      wanted[name], some = s, true
    end
  end
  if not self.targets then
    local taken = { [self.file] = true, [self.split and self.split.column or self.file] = true,
      [self.sample and self.sample.column or self.file] = true }
    for _, name in ipairs(csv:names()) do
      if not taken[name] then
        wanted[name], some = name, true
      end
    end
    if not some then
      error(("%s: has no column but '%s', so there are no labels in it"):format(self.labels, self.file), 0)
    end
  end
  return labels.specs("data.images", wanted)
end

local function split_rows(self, rows, csv)
  local how = self.split or { 0.8, 0.1, 0.1 }
  if how.column then
    if not csv then
      error(("data.images: split: '%s' would be a column of labels.csv, and there is none"):format(how.column), 0)
    end
    column_names.check(csv, self.labels, how.column)
    local codes, levels = csv:codes(how.column)
    return split.by_column(codes, levels, how.column)
  elseif #how > 0 then
    return split.rows(#rows, how, self.seed)
  end
  local lists, out = {}, {}
  for i, row in ipairs(rows) do
    lists[row.split] = lists[row.split] or {}
    table.insert(lists[row.split], i - 1)
  end
  for name in pairs(how) do
    if not lists[name] then
      error(("%s/%s: no image in it"):format(self.dir, how[name]), 0)
    end
    out[name] = core.tensor(lists[name], "int32")
  end
  return out
end

--- @return rows (name, stem, path, class), split (row numbers by split), classes (the target that subfolders are, or
-- nil), csv, specs and names (of targets in columns), dense (names of dense targets), every (stems of all files)
function listing.open(self, at)
  local root = files.folder("data.images: dir", self.dir, at)
  local list, skip = { dense = {}, every = {}, names = {} }, {}
  for name, s in pairs(self.targets or {}) do
    if type(s) == "table" and s.dir then
      list.dense[#list.dense + 1] = name
      skip[files.folder(("data.images: targets.%s: dir"):format(name), s.dir, at)] = true
    end
  end
  table.sort(list.dense)
  local all = files.list(root, self.dir, skip)
  for _, row in ipairs(all) do
    list.every[row.stem] = true
  end
  list.rows = assign(self, at, all)
  if self.labels then
    list.csv = column_names.read(files.file(self.labels, at), self)
    list.rows = by_table(self, list.csv, list.rows)
    list.specs, list.names = columns(self, list.csv)
  elseif self.target or #list.dense == 0 then
    list.classes = self.target or "label"
    classify(self, root, list.rows, skip)
  end
  list.split = split_rows(self, list.rows, list.csv)
  if not list.split.train then
    error(("%s: the split 'train' gets none of its %d images"):format(self.dir, #list.rows), 0)
  end
  return list
end

return listing
