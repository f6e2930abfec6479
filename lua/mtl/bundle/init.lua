--- Bundles: recipes packed to share, by `mtl pack`. Every byte of one is hostile until it is checked: opening reads
-- the archive's directory, the manifest, the signature and every file for its checksum, and writes nothing.
--
-- Files, in this order: manifest.json, signature.json (if it is signed), recipe/... (the Lua files; data, where they
-- are packed), and with weights run.json, summary.json and a checkpoint, so that an unpacked bundle is a run folder.
local core = require "mtl.core"
local form = require "mtl.form"
local home = require "mtl.home"
local key = require "mtl.bundle.key"
local path = require "mtl.path"
local results = require "mtl.bundle.results"

local bundle, methods = { FORMAT = 1, MANIFEST = "manifest.json", SIGNATURE = "signature.json" }, {}
local meta = { __index = methods }

bundle.MANIFEST_MOST = 16 << 20 -- bytes: parsed it may take thirty times as much
local LUA_MOST = 16 << 20       -- of one file of the recipe that is shown or compared

local FORM = { format = "integer", name = "string", ["version?"] = "string", ["author?"] = "string",
  ["license?"] = "string", mtl = "string", recipe = "string", declaration = "table",
  files = { { name = "string", bytes = "integer", sha256 = "string" } },
  data = { { root = "string", path = "string", bytes = "integer", sha256 = "string" } }, ["results?"] = results.FORM }
local OF_A_RUN = { ["run.json"] = true, ["summary.json"] = true, ["best.safetensors"] = true,
  ["checkpoint.safetensors"] = true }

--- Whether a file is a bundle, or says so.
function bundle.is(file)
  local stat = core.stat(file)
  if not stat or stat.type ~= "file" then
    return file:find "%.mtl$" ~= nil and not stat
  end
  local f <close> = io.open(file, "rb")
  return file:find "%.mtl$" ~= nil or f ~= nil and f:read(4) == "PK\3\4"
end

local function refuse(self, format, ...)
  error(("%s: "):format(self.path) .. format:format(...), 0)
end

-- A name as a message shows it.
local function shown(name)
  return (#name > 100 and name:sub(1, 100) .. "..." or name)
end

-- A path below a folder, without detours.
local function is_relative(p)
  return p ~= "" and p:sub(1, 1) ~= "/" and not p:find "[%c\\]" and not p:find("//", 1, true)
    and not ("/" .. p .. "/"):find "/%.%.?/"
end

local function read_manifest(self)
  local first = self.list[1]
  if first.name ~= bundle.MANIFEST then
    refuse(self, "its first file is '%s', and a bundle begins with %s", first.name, bundle.MANIFEST)
  elseif first.bytes > bundle.MANIFEST_MOST then
    refuse(self, "%s has %d bytes, and %d is the most", bundle.MANIFEST, first.bytes, bundle.MANIFEST_MOST)
  end
  self.text = self.zip:read(1)
  local ok, m = pcall(core.json_decode, self.text)
  if not ok or type(m) ~= "table" or math.type(m.format) ~= "integer" then
    refuse(self, "%s is damaged%s", bundle.MANIFEST, ok and "" or ": " .. tostring(m))
  elseif m.format ~= bundle.FORMAT then
    refuse(self, "it is a bundle of format %d, and this mtl reads %d", m.format, bundle.FORMAT)
  end
  local wrong = form.wrong(m, FORM, "manifest") or m.results and m.results ~= core.null and results.wrong(m.results)
  if not wrong and (not m.name:find "^[%w_][%w_%-%.]*$" or m.recipe:find "/") then
    wrong = m.recipe:find "/" and "manifest.recipe" or "manifest.name"
  end
  for _, d in ipairs(m.data or {}) do
    if not wrong and not (is_relative(d.path) and (d.root == "recipe" or d.root == "mtl" or d.root == "data")) then
      wrong = "manifest.data"
    end
  end
  if wrong then
    refuse(self, "%s: '%s' is not what it should be", bundle.MANIFEST, wrong)
  end
  for name in pairs(FORM) do
    name = name:gsub("%?$", "")
    m[name] = m[name] ~= core.null and m[name] or nil
  end
  self.manifest = m
end

-- The files are those that the manifest lists, no more and no fewer, and what they hold is what was packed.
local function check_files(self)
  local said, after = self.manifest.files, self.signed and 2 or 1
  if #self.list ~= #said + after then
    refuse(self, "it holds %d files, and %s lists %d", #self.list - after, bundle.MANIFEST, #said)
  end
  local folders = {}
  for i, f in ipairs(said) do
    local there = self.list[i + after]
    if f.name ~= there.name or f.bytes ~= there.bytes then
      refuse(self, "'%s' is not where %s lists it, or is of another size", shown(f.name), bundle.MANIFEST)
    elseif not OF_A_RUN[f.name] and f.name:sub(1, 7) ~= "recipe/" then
      refuse(self, "'%s' is no file that a bundle holds", shown(f.name))
    end
    for at in f.name:gmatch "()/" do
      folders[f.name:sub(1, at - 1)] = true
    end
    f.place, self.by_name[f.name] = i + after, f
  end
  for _, f in ipairs(said) do
    if folders[f.name] then
      refuse(self, "'%s' is a file and a folder", shown(f.name))
    elseif self.zip:extract(f.place) ~= f.sha256 then
      refuse(self, "'%s' is not what was packed: %s has another SHA-256 for it", shown(f.name), bundle.MANIFEST)
    end
  end
  if not self.by_name["recipe/" .. self.manifest.recipe] then
    refuse(self, "its recipe, '%s', is not in it", shown(self.manifest.recipe))
  end
end

--- signature.json: the public key, and its owner's signature of manifest.json.
function bundle.signature(secret, text)
  return ('{"key":"%s","signature":"%s"}\n'):format(key.hex(core.public_key(secret)),
    key.hex(core.sign_text(secret, text)))
end

local function check_signature(self)
  local second = self.list[2]
  if not second or second.name ~= bundle.SIGNATURE then
    return
  end
  local text = second.bytes < 1000 and self.zip:read(2) or ""
  local digits, signature = text:match '^{"key":"(%x+)","signature":"(%x+)"}\n$'
  local public, signed = key.bytes(digits or "", 32), key.bytes(signature or "", 64)
  if not public or not signed then
    refuse(self, "%s is damaged", bundle.SIGNATURE)
  elseif not core.sign_check(public, self.text, signed) then
    refuse(self, "the key %s has not signed this manifest: the bundle was changed, or the signature is another's",
      digits)
  end
  self.signed = digits
end

-- A run.json opens folders to its recipe: one from a bundle opens its own only.
local function check_run(self)
  local f = self.by_name["run.json"]
  if not f then
    return
  end
  local ok, info = pcall(core.json_decode, f.bytes <= bundle.MANIFEST_MOST and self.zip:read(f.place) or "")
  local wrong = not ok and "run"
    or form.wrong(info, { recipe = { file = "string", folder = "string" }, data = "table" }, "run")
  if wrong or info.recipe.folder ~= "recipe" or info.recipe.file ~= self.manifest.recipe or info.data.dir ~= nil then
    refuse(self, "run.json: %s", wrong and ("'%s' is not what it should be"):format(wrong)
      or "it names other folders, or another recipe")
  end
end

--- Opens a bundle and checks all of it. @param public the digits of the key that must have signed it, or nil
-- @return { path, manifest, signed (the signer's public key, checked) }
function bundle.open(file, public)
  local real = path.confined() and core.realpath(file) or file -- once a recipe runs, readers may refuse links
  local self = setmetatable({ path = file, zip = core.bundle_open(real), by_name = {} }, meta)
  self.list = self.zip:files()
  read_manifest(self)
  check_signature(self)
  check_files(self)
  check_run(self)
  if public and not self.signed then
    refuse(self, "it is not signed, and --require-signature asks for a signature by %s", public)
  elseif public and self.signed ~= public then
    refuse(self, "it is signed by %s, and --require-signature asks for %s", self.signed, public)
  end
  return self
end

--- The Lua files of the recipe: { { name =, text = }, ... }, names from the recipe's folder on.
function methods:code()
  local list = {}
  for _, f in ipairs(self.manifest.files) do
    if f.name:find "^recipe/.*%.lua$" or f.name == "recipe/" .. self.manifest.recipe then
      if f.bytes > LUA_MOST then
        refuse(self, "'%s' has %d bytes, and %d is the most of a Lua file", shown(f.name), f.bytes, LUA_MOST)
      end
      list[#list + 1] = { name = f.name:sub(8), text = self.zip:read(f.place) }
    end
  end
  return list
end

--- Whether data file `d` of the manifest is in the bundle.
function methods:holds(d)
  return d.root == "recipe" and self.by_name["recipe/" .. d.path] ~= nil
end

--- The folder that relative paths of data start at, where the recipe's data are not in the bundle: the one that the
-- bundle lies in. nil: the unpacked recipe's own.
function methods:data_folder()
  for _, d in ipairs(self.manifest.data) do
    if d.root == "recipe" and not self:holds(d) then
      return core.realpath((path.split(self.path)))
    end
  end
end

--- Refuses data that are not there, or not those that the bundle was packed with. @param dir the folder of --data
function methods:check_data(dir)
  local folders = { recipe = self:data_folder(), data = dir }
  for _, d in ipairs(self.manifest.data) do
    if d.root == "mtl" then
      folders.mtl = folders.mtl or home.datasets()
    elseif d.root == "data" and not dir then
      refuse(self, "it was packed with --data: name the folder that holds '%s' with --data DIR", shown(d.path))
    end
    local file = folders[d.root] and path.join(folders[d.root], d.path)
    if file and not core.stat(file) then
      refuse(self, "its data are not in it, and there is no '%s' in %s%s", shown(d.path), folders[d.root],
        d.root == "recipe" and ": put the data beside the bundle" or "")
    elseif file and core.sha256_file(core.realpath(file) or file) ~= d.sha256 then
      refuse(self, "the data differ: '%s' in %s is not the file that the bundle was packed with (its SHA-256 is not "
        .. "%s); to train on other data, mtl unpack it and run the recipe", shown(d.path), folders[d.root], d.sha256)
    end
  end
end

--- Unpacks into a folder that is not there yet: whole or not at all. @param part "recipe": only what lies below recipe/
-- @return a function that takes away what was unpacked
function methods:unpack(to, part)
  return require "mtl.bundle.unpack"(self, to, part)
end

return bundle
