--- Bundles made by hand, byte for byte, for specs.
local core = require "mtl.core"
local program = dofile "spec/support/program.lua"
local zip = dofile "spec/support/zip.lua"

local bundle = { zip = zip }

bundle.recipe = program.recipe()

--- The manifest of files { { name =, data = }, ... }. @param changes put in place of what is true
function bundle.manifest(files, changes)
  local m = { format = 1, name = "spec", mtl = core.VERSION, recipe = "recipe.lua", declaration = { seed = 1 },
    data = core.array {}, files = core.array {} }
  for i, f in ipairs(files) do
    m.files[i] = { name = f.name, bytes = #f.data, sha256 = core.sha256(f.data) }
  end
  for key, value in pairs(changes or {}) do
    m[key] = value
  end
  return m
end

--- The entries of a good bundle. @param files what follows the recipe; @param changes of the manifest
function bundle.entries(files, changes)
  local list = { { name = "recipe/recipe.lua", data = bundle.recipe } }
  table.move(files or {}, 1, #(files or {}), 2, list)
  local text = core.json_encode(bundle.manifest(list, changes))
  table.insert(list, 1, { name = "manifest.json", data = text })
  return list
end

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

--- The entry of a signature of entries. @param secret the key; text what is signed, where it is not the manifest
function bundle.signature(entries, secret, text, public)
  local signed = hex(core.sign_text(secret, text or entries[1].data))
  return { name = "signature.json", data = ('{"key":"%s","signature":"%s"}\n'):format(public
    or hex(core.public_key(secret)), signed) }
end

return bundle
