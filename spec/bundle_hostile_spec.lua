--- Damaged and hostile bundles: each is refused with one line that names the file, by every command that takes one;
-- nothing is written outside of the target, and nothing is left behind.
local core = require "mtl.core"
local made = dofile "spec/support/bundle.lua"
local program = dofile "spec/support/program.lua"
local zip = made.zip

local KEY, OTHER = ("k"):rep(32), ("o"):rep(32)

local function find(entries, name)
  for i, e in ipairs(entries) do
    if e.name == name then
      return e, i
    end
  end
end

-- A bundle with one more file, which the manifest lists truly.
local function with(file)
  return function()
    file.data = file.data or "return 1\n"
    return zip.write(made.entries { file })
  end
end

-- A bundle with something changed in its entries, or at its end.
local function changed(change, ending)
  return function(folder)
    local entries = made.entries { { name = "recipe/more.lua", data = "return 1\n" } }
    entries = change and change(entries, folder) or entries
    return zip.write(entries, ending)
  end
end

local function manifest(changes)
  return function()
    return zip.write(made.entries({}, changes))
  end
end

local function recipe_of(fields)
  return changed(function(entries)
    for key, value in pairs(fields) do
      find(entries, "recipe/recipe.lua")[key] = value
    end
  end)
end

-- A bundle of a run: run.json says what `changes` say.
local function of_run(changes)
  local run = { format = 2, seed = 1, device = "cpu", set = core.array {}, data = { batch = 20 },
    recipe = { name = "spec", file = "recipe.lua", folder = "recipe" } }
  for key, value in pairs(changes) do
    run[key] = value
  end
  return with { name = "run.json", data = core.json_encode(run) }
end

local function signed(change)
  return changed(function(entries)
    table.insert(entries, 2, made.signature(entries, KEY))
    return change(entries)
  end)
end

local function results(change)
  local runs = {}
  for seed = 1, 3 do
    runs[seed] = { seed = seed, device = "cpu", mtl = core.VERSION, steps = 8, epochs = 1,
      test = { left = { kpi = 0.5 + seed / 100, loss = 1 } } }
  end
  local claim = require "mtl.bundle.results".claim(runs)
  change(claim)
  return manifest { results = claim }
end

local cases = {}
local function case(name, make, says)
  cases[#cases + 1] = { name = name, make = make, says = says }
end

-- ---- names ----
for name, says in pairs {
  ["../evil"] = "climbs out", ["recipe/../../evil"] = "climbs out", ["recipe/.."] = "climbs out", [".."] = "climbs out",
  ["recipe/a/../../../evil"] = "climbs out", ["/tmp/mtl-evil"] = "absolute", ["/"] = "absolute",
  ["//evil"] = "absolute",
  ["./recipe/more.lua"] = "plain path", ["recipe/./more.lua"] = "plain path", ["recipe//more.lua"] = "plain path",
  ["recipe/folder/"] = "plain path", ["."] = "plain path", ["recipe/more.lua."] = "ends with",
  ["recipe/con "] = "ends with",
  ["recipe/... /x"] = "ends with", [""] = "no name", ["recipe\\..\\..\\evil"] = "character", ["C:\\evil"] = "character",
  ["C:/evil"] = "character", ["recipe/a:stream"] = "character", ["recipe/a\nb"] = "character",
  ["recipe/\27[31mred"] = "character", ["recipe/a\127"] = "character", ["recipe/what?"] = "character",
  ["recipe/*"] = "character", ["recipe/a|b"] = "character", ["recipe/\255\254"] = "no name",
  ["recipe/\192\174\192\174/evil"] = "no name", ["recipe/" .. ("long"):rep(80)] = "no name", ["evil.lua"] = "no file",
  ["~/.profile"] = "no file", [".git/hooks/post-checkout"] = "no file", ["Recipe/x.lua"] = "no file",
  ["recipe"] = "no file", ["metrics.jsonl"] = "no file", ["recipe/recipe.lua/x"] = "a file and a folder",
} do
  case(("a name %q"):format(name:sub(1, 40)), with { name = name }, says)
end
case("a name with a NUL", with { name = "recipe/a\0b" }, "bad.mtl")
case("a name that climbs out, not in the manifest", changed(function(entries)
  table.insert(entries, { name = "../evil", data = "x" })
end), "climbs out")
case("a name that only the file's own header says", recipe_of { inner_name = "../../../evil.lua" }, "bad.mtl")

-- ---- kinds of files ----
for kind, mode in pairs { ["a link"] = 0xA1FF, ["a folder"] = 0x41ED, ["a pipe"] = 0x11A4, ["a device"] = 0x21B6,
  ["a block device"] = 0x61B6, ["a socket"] = 0xC1ED, ["a program"] = 0x81ED, ["one that runs as its owner"] = 0x89ED,
  ["without a mode"] = 0 } do
  case(kind, with { name = "recipe/more.lua", data = "/etc/passwd", mode = mode }, kind == "a link" and "link"
    or "no regular file")
end
case("a link in the recipe's place", recipe_of { mode = 0xA1FF, data = "/etc/passwd" }, "link")
case("a file of DOS", with { name = "recipe/more.lua", system = 0 }, "no regular file")
case("a folder of DOS", with { name = "recipe/more", data = "", system = 0, attributes = 0x10 }, "no regular file")
case("a link of macOS", with { name = "recipe/more.lua", system = 19, mode = 0xA1FF }, "no regular file")

-- ---- names twice ----
for how, name in pairs { ["the same"] = "recipe/recipe.lua", ["in other case"] = "recipe/Recipe.LUA",
  ["a folder in other case"] = "RECIPE/recipe.lua" } do
  case("a name twice, " .. how, with { name = name }, "twice")
end
case("two manifests", changed(function(entries)
  table.insert(entries, { name = "manifest.json", data = entries[1].data })
end), "twice")
case("two manifests, in other case", changed(function(entries)
  table.insert(entries, { name = "Manifest.json", data = entries[1].data })
end), "twice")

-- ---- sizes ----
local zeros = ("\0"):rep(1 << 20)
local function bomb(fields)
  return changed(function(entries, folder)
    local e = find(entries, "recipe/more.lua")
    e.data, e.packed, e.method, e.version = zeros, zip.deflate(zeros, folder), 8, 20
    for key, value in pairs(fields) do
      e[key] = value
    end
  end)
end
case("a zip bomb", bomb {}, "compressed")
case("a zip bomb that says it is small", bomb { size = 10 }, "bad.mtl")
case("a zip bomb that says it is stored", bomb { method = 0 }, "bad.mtl")
case("a zip bomb that says it is stored, of its packed size", bomb { method = 0, size = 1044 }, "bad.mtl")
case("a bundle whose files are deflated", changed(function(entries, folder)
  for _, e in ipairs(entries) do
    e.packed, e.method, e.version = zip.deflate(e.data, folder), 8, 20
  end
end), "compressed")
for name, method in pairs { shrink = 1, deflate64 = 9, bzip2 = 12, lzma = 14, zstd = 93, xz = 95, unknown = 1234 } do
  case("packed by " .. name, recipe_of { method = method }, "compressed")
end
case("encrypted", recipe_of { flags = 1 }, "encrypted")
case("strongly encrypted", recipe_of { flags = 0x41 }, "bad.mtl")
case("a size of 4 GB", recipe_of { size = 0xFFFFFFFE, packed_size = 0xFFFFFFFE }, "bad.mtl")
case("a size of 2^62, by zip64", recipe_of { size = 0xFFFFFFFF, packed_size = 0xFFFFFFFF,
  extra = ("<I2I2I8I8"):pack(1, 16, 1 << 62, 1 << 62) }, "bad.mtl")
case("a size of 2^62, in the directory only", recipe_of { size = 0xFFFFFFFF, packed_size = 0xFFFFFFFF,
  extra = ("<I2I2I8I8"):pack(1, 16, 1 << 62, 1 << 62), inner = { size = 10, packed_size = 10 } }, "bad.mtl")
case("a size too small", recipe_of { size = 10, packed_size = 10 }, "bad.mtl")
case("a size too large by one", changed(function(entries)
  local e = find(entries, "recipe/more.lua")
  e.size, e.packed_size = #e.data + 1, #e.data + 1
end), "bad.mtl")
case("files that share their bytes", changed(function(entries)
  for i = 1, 50 do
    table.insert(entries, { name = "recipe/same" .. i, data = made.recipe, at = #entries[1].data + 43, no_data = true })
  end
end), "bad.mtl")
case("more files than it may have", changed(function(entries)
  for i = 1, 65536 do
    entries[#entries + 1] = { name = "recipe/" .. i, data = "", crc = 0 }
  end
end), "1 to 65535")
case("a count of files that is too large", changed(nil, { count = 1000 }), "bad.mtl")
case("a count of files that is too small", changed(nil, { count = 1 }), "bad.mtl")
case("no files", function() return zip.write {} end, "bad.mtl")

-- ---- checksums ----
case("a wrong CRC", recipe_of { crc = 1 }, "recipe/recipe.lua")
case("a wrong CRC of the manifest", changed(function(entries) entries[1].crc = 1 end), "manifest.json")
case("a recipe that is not the one packed", changed(function(entries)
  local e = find(entries, "recipe/recipe.lua")
  e.data = e.data:gsub("0%.1", "0.2")
end), "not what was packed")
case("another file's SHA-256", manifest { files = { { name = "recipe/recipe.lua", bytes = #made.recipe,
  sha256 = core.sha256 "" } } }, "not what was packed")
case("no SHA-256", manifest { files = { { name = "recipe/recipe.lua", bytes = #made.recipe, sha256 = "" } } },
  "not what was packed")

-- ---- the manifest ----
for how, text in pairs { empty = "", ["no JSON"] = "hello", ["cut JSON"] = '{"format":1,', ["a list"] = "[1]",
  ["a number"] = "1",
  ["null"] = "null", ["of no format"] = "{}", ["nested deeply"] = ("["):rep(100000), ["a NUL"] = "{\0}",
  ["of format 1.5"] = '{"format":1.5}', ["of a text's format"] = '{"format":"1"}',
  ["of nothing but a format"] = '{"format":1}' } do
  case("a manifest that is " .. how, changed(function(entries) entries[1].data = text end), "manifest.json")
end
case("a manifest of format 2", manifest { format = 2 }, "format 2, and this mtl reads 1")
case("a manifest that is too large", changed(function(entries)
  entries[1].data, entries[1].crc = (" "):rep((16 << 20) + 1), 0
end), "16777216 is the most")
case("no manifest", changed(function(entries) table.remove(entries, 1) end), "manifest.json")
case("a manifest that is not the first", changed(function(entries)
  table.insert(entries, table.remove(entries, 1))
end), "manifest.json")
case("files in another order", changed(function(entries)
  table.insert(entries, 2, table.remove(entries))
end), "recipe/recipe.lua")
case("a file that is not in the manifest", changed(function(entries)
  table.insert(entries, { name = "recipe/hidden.lua", data = "return 1" })
end), "2")
case("a file that is missing", changed(function(entries) table.remove(entries) end), "lists 2")
case("another size than the manifest says", manifest { files = { { name = "recipe/recipe.lua", bytes = 3,
  sha256 = core.sha256(made.recipe) } } }, "another size")
for name, value in pairs { name = "../evil", recipe = "nowhere.lua", mtl = 1, declaration = "none", files = 3,
  data = { { root = "recipe", path = "../../etc/passwd", bytes = 1, sha256 = "" } }, results = { 1 } } do
  case("a manifest whose " .. name .. " is odd", manifest { [name] = value }, "bad.mtl")
end
for how, d in pairs { ["an absolute path"] = { "recipe", "/etc/passwd" }, ["an unknown root"] = { "home", "x" },
  ["a path with '.'"] = { "mtl", "./x" }, ["a path that climbs out of mtl's data"] = { "mtl", "../CMakeLists.txt" },
  ["an empty path"] = { "data", "" } } do
  case("data by " .. how, manifest { data = { { root = d[1], path = d[2], bytes = 1, sha256 = "" } } }, "manifest.data")
end
case("a name that would be a path", manifest { name = "a/b" }, "manifest.name")
case("a name that begins with '-'", manifest { name = "-rf" }, "manifest.name")
case("a recipe in a folder", manifest { recipe = "a/recipe.lua" }, "manifest.recipe")
case("a mean that is not one of its runs", results(function(claim) claim.figures[1].mean = 0.99 end), "figures")
case("an interval that is not one of its runs", results(function(claim) claim.figures[1].half = 1e-6 end), "figures")
case("figures of no run", results(function(claim)
  table.insert(claim.figures, { task = "right", name = "kpi", n = 3, mean = 1 })
end), "figures")
case("a seed that is a text", results(function(claim) claim.runs[1].seed = "1" end), "results.runs")

-- ---- signatures ----
local function signature(text)
  return signed(function(entries) entries[2].data = text end)
end
case("a signature that is no JSON", signature "hello", "signature.json is damaged")
case("an empty signature", signature "", "signature.json is damaged")
case("a signature of zeros", signature(('{"key":"%s","signature":"%s"}\n'):format(("0"):rep(64), ("0"):rep(128))),
  "has not signed")
case("a signature of another manifest", signed(function(entries)
  entries[2] = made.signature(entries, KEY, "another")
end), "has not signed")
case("another's signature under a good key", signed(function(entries)
  entries[2] = made.signature(entries, OTHER, nil, made.signature(entries, KEY).data:match '"key":"(%x+)"')
end), "has not signed")
case("a manifest that was changed after it was signed", signed(function(entries)
  entries[1].data = entries[1].data:gsub('"name":"spec"', '"name":"Spec"')
end), "has not signed")
case("a recipe that was changed after it was signed", signed(function(entries)
  find(entries, "recipe/recipe.lua").data = "return 1"
end), "recipe/recipe.lua")
case("a signature in upper case", signed(function(entries)
  entries[2].data = entries[2].data:gsub('"%x+"', string.upper)
end), "signature.json is damaged")
case("a signature with more in it", signed(function(entries)
  entries[2].data = entries[2].data .. " "
end), "signature.json is damaged")
case("a signature in another place", signed(function(entries)
  table.insert(entries, table.remove(entries, 2))
end), "holds 3 files")

-- ---- a run ----
case("a run that opens all folders", of_run { recipe = { name = "spec", file = "recipe.lua", folder = "/" } },
  "run.json")
case("a run with a data folder", of_run { data = { dir = "/etc", batch = 20 } }, "run.json")
case("a run of another recipe", of_run { recipe = { name = "spec", file = "../x.lua", folder = "recipe" } }, "run.json")
case("a run that is no JSON", with { name = "run.json", data = "{" }, "run.json")

-- ---- the archive ----
case("an empty file", function() return "" end, "bad.mtl")
case("a text", function() return "local mtl = require 'mtl'\n" end, "bad.mtl")
case("zeros", function() return ("\0"):rep(100000) end, "bad.mtl")
case("a picture", function() return "\137PNG\r\n\26\n" .. ("x"):rep(100) end, "bad.mtl")
case("nothing but local headers", function() return zip.write(made.entries()):match "^(.*)PK\1\2.*$" end, "bad.mtl")
case("a directory that lies elsewhere", changed(nil, { offset = 5 }), "bad.mtl")
case("a directory past the end", changed(nil, { offset = 0x7FFFFFFF }), "bad.mtl")
case("a directory of another size", changed(nil, { directory = 10 }), "bad.mtl")
case("a part of several", changed(nil, { disk = 1 }), "bad.mtl")
case("a comment that is not there", changed(nil, { comment_size = 100 }), "bad.mtl")
case("a file that begins past the end", recipe_of { at = 0x7FFFFFFF }, "bad.mtl")
case("a file that begins in another", recipe_of { at = 3 }, "bad.mtl")
case("no file's own headers", changed(function(entries)
  for _, e in ipairs(entries) do
    e.no_data = true
  end
end), "bad.mtl")

local good = zip.write(made.entries { { name = "recipe/more.lua", data = "return 1\n" } })
for i = 0, 29 do
  case(("cut at %d of %d bytes"):format(i * #good // 30, #good), function() return good:sub(1, i * #good // 30) end,
    "bad.mtl")
end

table.sort(cases, function(a, b) return a.name < b.name end) -- the same order in every process

-- All that lies in a folder, with its contents.
local function listing(folder)
  local list = {}
  for _, name in ipairs(core.listdir(folder)) do
    local stat = core.stat(folder .. "/" .. name)
    list[name] = stat.type == "folder" and listing(folder .. "/" .. name) or program.read(folder .. "/" .. name)
  end
  return list
end

describe("a hostile bundle", function()
  local around, folder

  before_each(function()
    around = program.folder()
    folder = around .. "/a/b/c" -- where what climbs out would land is looked at
    core.mkdir(folder)
  end)
  after_each(function()
    program.remove(around)
  end)

  local function refused(arguments, says)
    local before = listing(around)
    local r = program.run(folder, arguments, "TMPDIR=" .. folder)
    assert.equal(1, r.status, r.err)
    assert.equal("", r.out)
    assert.equal(1, select(2, r.err:gsub("\n", "")), r.err)
    assert.equal("mtl: ", r.err:sub(1, 5))
    assert.truthy(r.err:find("bad.mtl", 1, true), r.err)
    assert.truthy(r.err:find(says, 1, true), ("%q should say %q"):format(r.err, says))
    for _, inside in ipairs { "traceback", "attempt to", "0x", "lua:", "\27" } do
      assert.falsy(r.err:find(inside, 1, true), r.err)
    end
    assert.same(before, listing(around))
  end

  for i, c in ipairs(cases) do
    it(("%d: %s"):format(i, c.name), function()
      program.write(folder .. "/bad.mtl", c.make(folder))
      refused({ "unpack", "bad.mtl", "-o", "out" }, c.says)
      local commands = { { "show", "bad.mtl" }, { "run", "bad.mtl", "--out", "out" }, { "check", "bad.mtl" },
        { "verify", "bad.mtl", "-o", "out" } }
      refused(commands[i % #commands + 1], c.says)
    end)
  end

  it("is one of at least 100", function()
    assert.is_true(#cases >= 100)
  end)

  it("that is good is not refused: the cases differ from it by what they are about", function()
    program.write(folder .. "/good.mtl", good)
    program.write(folder .. "/results.mtl", results(function() end)())
    program.write(folder .. "/run.mtl", of_run {}())
    program.write(folder .. "/signed.mtl", signed(function() end)())
    for _, name in ipairs { "good", "results", "run", "signed" } do
      local r = program.run(folder, { "unpack", name .. ".mtl", "-o", name })
      assert.equal("", r.err)
      assert.equal(0, r.status)
      assert.equal(made.recipe, program.read(folder .. "/" .. name .. "/recipe/recipe.lua"))
    end
  end)

  it("that is no file", function()
    core.mkdir(folder .. "/bad.mtl")
    refused({ "unpack", "bad.mtl" }, "bad.mtl")
    core.remove(folder .. "/bad.mtl")
    refused({ "show", "bad.mtl" }, "No such file")
    os.execute(("mkfifo '%s/bad.mtl'"):format(folder))
    local r = program.run(folder, { "show", "bad.mtl" })
    assert.equal(1, r.status)
    assert.truthy(r.err:find("bad.mtl", 1, true), r.err)
  end)

  it("of which one bit was flipped is refused, or says and holds the same", function()
    local bundle = require "mtl.bundle"
    local entries = made.entries { { name = "recipe/more.lua", data = "return 1\n" } }
    table.insert(entries, 2, made.signature(entries, KEY))
    local bytes = zip.write(entries)
    local path, same, refusals = folder .. "/bad.mtl", 0, 0
    for place = 1, #bytes do
      local bit = 1 << place * 5 % 8
      program.write(path, bytes:sub(1, place - 1) .. string.char(bytes:byte(place) ~ bit) .. bytes:sub(place + 1))
      local ok, b = pcall(bundle.open, path)
      if ok then
        same = same + 1
        assert.equal(entries[1].data, b.text)
        assert.is_string(b.signed)
        local code = b:code()
        assert.equal(2, #code)
        assert.equal(made.recipe, code[1].text)
        assert.equal("return 1\n", code[2].text)
      else
        refusals = refusals + 1
        assert.truthy(tostring(b):find("bad.mtl", 1, true), tostring(b))
        assert.falsy(tostring(b):find("attempt to", 1, true), tostring(b))
      end
    end
    assert.is_true(refusals > 0.9 * #bytes, ("%d of %d"):format(same, #bytes))
  end)
end)
