--- Keys that sign bundles (Ed25519): one line each, in a file of their own. A public key may also be given as its 64
-- digits.
local core = require "mtl.core"

local key = {}

local KINDS = { secret = "mtl secret key: ", public = "mtl public key: " }

function key.hex(bytes)
  return (bytes:gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end))
end

--- The bytes of hexadecimal digits in lower case; nil where `text` is anything else. @param n how many bytes
function key.bytes(text, n)
  if #text ~= 2 * n or text:find "[^0-9a-f]" then
    return nil
  end
  return (text:gsub("..", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

local function read(file, kind)
  local f <close>, message = io.open(file, "rb")
  local text = f and f:read(200)
  if not text then
    error(f and ("%s: it is empty, or no file"):format(file) or message, 0)
  end
  local start = KINDS[kind]
  local bytes = text:sub(1, #start) == start and key.bytes(text:sub(#start + 1):gsub("%s+$", ""), 32)
  if not bytes then
    local other = kind == "secret" and "public" or "secret"
    error(text:sub(1, #KINDS[other]) == KINDS[other] and ("%s: a %s key, where the %s one is asked for"):format(file,
      other, kind) or ("%s: no %s key as mtl keygen writes it"):format(file, kind), 0)
  end
  return bytes
end

--- The secret key in a file.
function key.secret(file)
  return read(file, "secret")
end

--- A public key: its digits, or the file that holds it. @return its digits
function key.public(given)
  return key.bytes(given, 32) and given or key.hex(read(given, "public"))
end

--- Makes a pair: NAME.key, which only its owner may read, and NAME.pub. Files that exist are an error.
-- @return the public key's digits
function key.new(name)
  local secret_file, public_file = name .. ".key", name .. ".pub"
  for _, file in ipairs { secret_file, public_file } do
    if core.stat(file) then
      error(("'%s' exists, and a key that is lost signs no more: give another name"):format(file), 0)
    end
  end
  local secret = core.new_key()
  local public = key.hex(core.public_key(secret))
  core.file_create(secret_file, KINDS.secret .. key.hex(secret) .. "\n", true)
  core.file_create(public_file, KINDS.public .. public .. "\n")
  return public
end

return key
