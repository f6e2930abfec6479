--- Writes zip archives from bytes, with anything in them that an archive may say, true or not.
local zip = {}

local crcs = {}
for i = 0, 255 do
  local c = i
  for _ = 1, 8 do
    c = c & 1 == 1 and 0xEDB88320 ~ c >> 1 or c >> 1
  end
  crcs[i] = c
end

function zip.crc(text)
  local c = 0xFFFFFFFF
  for i = 1, #text do
    c = crcs[(c ~ text:byte(i)) & 0xFF] ~ c >> 8
  end
  return c ~ 0xFFFFFFFF
end

--- Raw deflate data of a text, by gzip. @param folder for a file of the moment
function zip.deflate(text, folder)
  local path = folder .. "/deflate"
  local f = assert(io.open(path, "wb"))
  f:write(text)
  f:close()
  local packed <close> = assert(io.popen("gzip -9nc " .. path, "r"))
  local bytes = packed:read "a"
  os.remove(path)
  return bytes:sub(11, -9)
end

-- What both headers say of a file, from the version on.
local function common(e)
  local packed = e.packed or e.data
  return ("<I2I2I2I2I2I4I4I4"):pack(e.version or 10, e.flags or 0, e.method or 0, e.time or 12 << 11, e.date or 33,
    e.crc or zip.crc(e.data), e.packed_size or #packed, e.size or #e.data)
end

--- Entries { name =, data =, and in place of what is true: packed (bytes as stored), method, flags, version, time,
-- date, crc, size, packed_size, mode, system, attributes, extra, comment, inner_name (the local header's), inner
-- (fields of the local header only), at (an offset), no_data }.
-- @param t fields of the end: count, offset, directory, comment, comment_size, disk, before, after
function zip.write(entries, t)
  t = t or {}
  local parts, at, directory = { t.before or "" }, #(t.before or ""), {}
  for i, e in ipairs(entries) do
    local inner = setmetatable(e.inner or {}, { __index = e })
    local name = e.inner_name or e.name
    local extra, comment = e.extra or "", e.comment or ""
    directory[i] = "PK\1\2" .. ("<I2"):pack((e.system or 3) << 8 | 63) .. common(e)
      .. ("<I2I2I2I2I2I4I4"):pack(#e.name, #extra, #comment, 0, 0, e.attributes or (e.mode or 0x81A4) << 16,
        e.at or at) .. e.name .. extra .. comment
    if not e.no_data then
      parts[#parts + 1] = "PK\3\4" .. common(inner) .. ("<I2I2"):pack(#name, #(inner.inner_extra or "")) .. name
        .. (inner.inner_extra or "") .. (e.packed or e.data)
      at = at + #parts[#parts]
    end
  end
  local all = table.concat(directory)
  local count = t.count or #entries
  local long = "" -- the end of zip64
  if count > 0xFFFF then
    long = "PK\6\6" .. ("<I8I2I2I4I4I8I8I8I8"):pack(44, 45, 45, 0, 0, count, count, #all, at)
      .. "PK\6\7" .. ("<I4I8I4"):pack(0, at + #all, 1)
  end
  count = count > 0xFFFF and 0xFFFF or count
  parts[#parts + 1] = all .. long .. "PK\5\6"
    .. ("<I2I2I2I2I4I4I2"):pack(t.disk or 0, t.disk or 0, count, count, t.directory or #all, t.offset or at,
      t.comment_size or #(t.comment or "")) .. (t.comment or "") .. (t.after or "")
  return table.concat(parts)
end

return zip
