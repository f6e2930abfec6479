local core = require "mtl.core"
local data_support = dofile "spec/support/data.lua"
local program = dofile "spec/support/program.lua"

local folder

local function mtl(...)
  return program.run(folder.path, { ... })
end

local function ok(...)
  local result = mtl(...)
  assert.equal("", result.err)
  assert.equal(0, result.status)
  return result.out
end

local function wrong(arguments, ...)
  local result = program.run(folder.path, arguments)
  assert.equal(1, result.status, result.err)
  assert.equal("", result.out)
  for _, text in ipairs { ... } do
    assert.truthy(result.err:find(text, 1, true), ("%q should say %q"):format(result.err, text))
  end
end

local function has(file, ...)
  local text = program.read(folder.path .. "/" .. file)
  for _, part in ipairs { ... } do
    assert.truthy(text:find(part, 1, true), ("%s\nshould say %q"):format(text, part))
  end
end

-- 200 rows: two numbers, a text, an id; a yes or no of numbers, a number.
local function write_table(name)
  local lines, u = { 'a,b c,color,id,"is it?",y' }, core.uniform_(core.zeros(200, 3), 1, "spec/new"):totable()
  for i, r in ipairs(u) do
    lines[i + 1] = ("%.3f,%.3f,%s,n%d,%d,%.3f"):format(r[1], r[2], r[3] > 0.5 and "red" or "blue", i,
      r[1] > 0.5 and 1 or 0, r[1] + r[2])
  end
  folder.write(name, table.concat(lines, "\n") .. "\n")
end

describe("mtl new", function()
  before_each(function()
    folder = data_support.folder()
  end)
  after_each(function()
    data_support.remove(folder.path)
  end)

  it("writes a recipe and a table that train as they are", function()
    assert.equal("targets: price (a number, by its logarithm), grade (3 classes)\n"
      .. "boats.lua, boats.csv and .luarc.json (for editors). Now: mtl run boats.lua\n", ok("new", "boats"))
    ok("check", "boats.lua")
    ok("run", "boats.lua", "--out", "one", "--quiet")
    local test = core.json_decode(program.read(folder.path .. "/one/summary.json")).test
    assert.is_true(test.price.kpi > 0.8 and test.grade.kpi > 0.6)
    assert.matches("^input,price,grade,grade_p\nboats.csv:2,", ok("predict", "one", "boats.csv", "--csv"))
  end)

  it("never overwrites", function()
    folder.write("a.lua", "mine")
    wrong({ "new", "a" }, "'a.lua' exists")
    assert.is_nil(core.stat(folder.path .. "/a.csv"))
    folder.write("b.csv", "mine")
    wrong({ "new", "b" }, "'b.csv' exists")
    assert.is_nil(core.stat(folder.path .. "/b.lua"))
  end)

  it("describes a table that is there", function()
    write_table "rows.csv"
    ok("new", "last", "--data", "rows.csv")
    has("last.lua", 'path = "rows.csv"', 'inputs = { "a", "b c", "color", "is it?" }', "left out: id",
      'y = { column = "y", normalize = true }', 'name = "y", head = nn.linear(64, 1)',
      "ends = when.epochs(300), -- 5 steps an epoch, 1500 in all", 'select = "valid"')
    ok("check", "last.lua")
    ok("new", "both", "--data", "rows.csv", "--target", "y,is it?")
    has("both.lua", 'is_it = { column = "is it?", classes = true }', 'name = "is_it", head = nn.linear(64, 2)',
      "policy.focal", 'inputs = { "a", "b c", "color" }')
    ok("run", "both.lua", "--quiet", "--max-steps", "3")
    wrong({ "new", "c", "--data", "rows.csv", "--target", "yy" }, "no column 'yy'", "did you mean 'y'?")
    wrong({ "new", "c", "--data", "nowhere.csv" }, "nowhere.csv")
    folder.write("short.csv", "a,b\n1,2\n")
    wrong({ "new", "c", "--data", "short.csv" }, "short.csv: 1 rows of 2 columns")
  end)

  it("finds out what separates the fields", function()
    for _, separator in ipairs { ";", "\t" } do
      local lines = { ("a b;1st;y;say"):gsub(";", separator) }
      for i = 1, 40 do
        lines[i + 1] = (("%d.5;%d;%d.25;\"so \"\"%d\"\", yes\""):format(i, i % 2, i, i % 3):gsub(";", separator))
      end
      folder.write("rows.csv", table.concat(lines, "\n") .. "\n")
      core.remove(folder.path .. "/rows.lua")
      ok("new", "rows", "--data", "rows.csv", "--target", "y,1st")
      has("rows.lua", ("separator = %s"):format(separator == ";" and '";"' or '"\\t"'), 't_1st = { column = "1st"')
      ok("check", "rows.lua")
    end
  end)

  it("tells editors where the annotations lie, unless a file does", function()
    ok("new", "one")
    local said = core.json_decode(program.read(folder.path .. "/.luarc.json"))
    assert.same({ core.realpath "docs/luals" }, said["workspace.library"])
    assert.matches("\ntwo.lua and two.csv. Now: mtl run two.lua\n$", ok("new", "two"))
    folder.write(".luarc.json", "{}")
    local lacks = ('\nfor editors, .luarc.json lacks "workspace.library": ["%s"]\n'):format(core.realpath "docs/luals")
    assert.truthy(ok("new", "three"):find(lacks, 1, true))
    has(".luarc.json", "{}")
    core.remove(folder.path .. "/.luarc.json")
    os.execute(("ln -s nowhere '%s/.luarc.json'"):format(folder.path))
    assert.truthy(ok("new", "four"):find(lacks, 1, true))
    assert.is_true(core.is_link(folder.path .. "/.luarc.json"))
    assert.is_nil(core.stat(folder.path .. "/nowhere"))
  end)

  it("says what it takes the targets for", function()
    local lines = { "a,whole,half" }
    for i = 1, 60 do
      lines[i + 1] = ("%d,%d,%d.5"):format(i, i % 5, i % 5 + 3)
    end
    folder.write("rows.csv", table.concat(lines, "\n") .. "\n")
    assert.truthy(ok("new", "rows", "--data", "rows.csv", "--target", "half,whole"):find("targets: half (a number), "
      .. "whole (5 classes); normalize = true in place of classes = true makes whole numbers a quantity", 1, true))
    has("rows.lua", 'half = { column = "half", normalize = true }', 'whole = { column = "whole", classes = true }')
  end)

  -- 60 rows as a German office program writes them; `change` changes a row's fields.
  local function office(name, change, header)
    local lines = { header or "id;area;rooms;listed;price" }
    for i = 1, 60 do
      local f = { "h" .. i, ("%d,5"):format(40 + i), i % 7 == 3 and "n/a" or i % 5, ("2019-01-%02d"):format(i % 28 + 1),
        math.floor(1000 * 1.1 ^ i) }
      if change then
        change(i, f)
      end
      lines[i + 1] = table.concat(f, ";")
    end
    folder.write(name, table.concat(lines, "\n") .. "\n")
  end

  it("reads decimal commas and words for missing values, and says what it leaves out", function()
    office "o.csv"
    local said = ok("new", "o", "--data", "o.csv")
    for _, part in ipairs { "o.csv: fields are separated by ';', numbers have decimal commas, 'n/a' is a missing value",
      "left out: id (text with 60 values in 60 rows)", "left out: listed (looks like dates: write them as numbers" } do
      assert.truthy(said:find(part, 1, true), said)
    end
    has("o.lua", 'separator = ";", decimal = ",", missing = "n/a",', 'inputs = { "area", "rooms" }',
      'price = { column = "price", log = true, normalize = true }', "-- left out: listed (looks like dates")
    ok("run", "o.lua", "--quiet", "--max-steps", "3", "--out", "one")
    ok("predict", "one", "o.csv") -- reads commas, too
    folder.write("commas.csv", "area,rooms\n76.5,2\n")
    wrong({ "predict", "one", "commas.csv" }, "commas.csv: no column 'area'", "separated by ';', as in training")
    folder.write("commas.csv", "area,rooms\n76;5,2\n")
    wrong({ "predict", "one", "commas.csv" }, "commas.csv: no column 'area'", "separated by ';', as in training")
    wrong({ "run", "o.csv" }, "'o.csv' is a table", "mtl new NAME --data o.csv")
    local plain = program.read(folder.path .. "/o.lua"):gsub(", log = true, normalize = true", "")
    folder.write("plain.lua", plain)
    assert.matches("warning     price has mean [%d.]+, sd [%d.]+, and is not normalised.*Nothing else is wrong",
      ok("check", "plain.lua"))
    assert.is_nil(ok("check", "o.lua"):find "warning")
    office("mixed.csv", function(i, f) f[5] = ("%d.5"):format(i) end)
    local mixed = ok("new", "mixed", "--data", "mixed.csv")
    assert.truthy(mixed:find("left out: area (looks like numbers with decimal commas", 1, true), mixed)
    has("mixed.lua", 'price = { column = "price", normalize = true }')
  end)

  -- What mtl new says of a table whose columns have these fields by row, after `separator` or ",".
  local function said_of(name, make, separator)
    local lines = { "a;what;y" }
    for i = 1, 60 do
      lines[i + 1] = ("%d;%s;%d.25"):format(i, make(i), i * 7 % 31)
    end
    local text = table.concat(lines, "\n") .. "\n"
    folder.write(name .. ".csv", (text:gsub(";", separator or ",")))
    return ok("new", name, "--data", name .. ".csv")
  end

  it("takes for numbers what the reader of tables does", function()
    assert.truthy(said_of("hex", function(i) return ("0x%x"):format(16 + i) end)
      :find("left out: what (text with 60 values in 60 rows)", 1, true))
    assert.truthy(said_of("large", function(i) return ("%de60"):format(i) end)
      :find("left out: what (text with 60 values in 60 rows)", 1, true))
    assert.truthy(said_of("one", function(i) return i == 9 and "1e60" or tostring(i) end)
      :find("'1e60' is a missing value", 1, true))
    local data = require "mtl.data"
    data_support.refused(data.csv { path = "large.csv", inputs = { { column = "what", normalize = true } },
      targets = { y = "y" } }, folder.at, "large.csv:2", "text is not normalized")
  end)

  it("tells decimal commas from thousands", function()
    local function both(i) return ("%d,%03d"):format(i % 9, 100 + i) end
    local decimals = "numbers have decimal commas"
    for k, make in ipairs { both, function(i) return ("%d,%03d"):format(1 + i % 9, 100 + i) end,
      function(i) return ("-0,%03d"):format(i) end } do
      office(k .. ".csv", function(i, f) f[2] = make(i) end)
      local said = ok("new", "t" .. k, "--data", k .. ".csv")
      assert.truthy(said:find(decimals, 1, true), said)
      assert.is_nil(said:find("thousands", 1, true))
    end
    office("millions.csv", function(i, f) f[2] = i % 3 == 0 and ("%d,000,500"):format(i) or ("%d,500"):format(i) end)
    local said = ok("new", "millions", "--data", "millions.csv")
    assert.truthy(said:find("left out: area (looks like numbers with commas between thousands", 1, true), said)
    said = said_of("quoted", function(i) return ('"%d,500"'):format(i) end)
    assert.truthy(said:find("left out: what (looks like numbers with commas between thousands", 1, true), said)
    said = said_of("zeros", function(i) return ('"0,%03d"'):format(i) end)
    assert.is_nil(said:find("thousands", 1, true), said)
  end)

  it("knows dates", function()
    for k, format in ipairs { "2019-01-%02d", "2019/1/%d 10:00", "2019-01-%02dT10:00:00", "%d.1.2019", "%02d.01.19",
      "1/%d/19" } do
      local said = said_of("date" .. k, function(i) return format:format(i % 28 + 1) end)
      assert.truthy(said:find("left out: what (looks like dates", 1, true), said)
    end
    for k, format in ipairs { "10.0.11.%d", "1.1.%d", "2.%d.0-1", "2019-13-%02d", "2019-01-%d0" } do
      local said = said_of("none" .. k, function(i) return format:format(i + 9) end)
      assert.truthy(said:find("left out: what (text with 60 values in 60 rows)", 1, true), said)
    end
  end)

  it("takes no class for a missing value", function()
    local function rooms(word)
      return function(i, f)
        f[1], f[3] = i % 3 == 0 and word or i % 3 == 1 and "shed" or "garage", i % 7 == 3 and word or i
      end
    end
    office("none.csv", rooms "none")
    local said = ok("new", "none", "--data", "none.csv", "--target", "id")
    assert.truthy(said:find("left out: rooms (numbers but for 'none'", 1, true), said)
    has("none.lua", 'name = "id", head = nn.linear(64, 3)')
    office("sold.csv", rooms "sold")
    assert.truthy(ok("new", "sold", "--data", "sold.csv"):find("numbers but for 'sold'", 1, true))
    office("na.csv", rooms "NA") -- no class, ever
    assert.truthy(ok("new", "na", "--data", "na.csv"):find("'NA' is a missing value", 1, true))
  end)

  it("says what is wrong with a table, by its own separator", function()
    office("short.csv", function(i, f) f[5] = i ~= 20 and f[5] or nil end)
    wrong({ "new", "x", "--data", "short.csv" }, "short.csv:21: 4 fields where the header has 5")
    office("twice.csv", nil, "id;rooms;rooms;listed;price")
    wrong({ "new", "x", "--data", "twice.csv" }, "two columns are named 'rooms'")
    office("latin.csv", function(_, f) f[1] = "S\xfcd" end)
    wrong({ "new", "x", "--data", "latin.csv" }, "column 'id' is not UTF-8 text", "iconv -f WINDOWS-1252")
    office("euro.csv", function(i, f) f[5] = ("€ 1%02d,022"):format(i) end)
    wrong({ "new", "x", "--data", "euro.csv" }, "'price'", "looks like numbers with a currency sign")
    office("odd.csv", function(i, f) f[5] = i == 9 and "sold" or i == 10 and "gone" or f[5] end)
    wrong({ "new", "x", "--data", "odd.csv" }, "'price'", "numbers but for 'gone' and 1 more texts")
    office "o.csv"
    ok("new", "o", "--data", "o.csv")
    local recipe = program.read(folder.path .. "/o.lua"):gsub('separator = ";", decimal = ",",', "")
    folder.write("forgot.lua", recipe)
    wrong({ "check", "forgot.lua" }, "o.csv:2: several fields, where the header has one column; is the separator ';'")
  end)

  it("says how to reach a table elsewhere", function()
    write_table "rows.csv"
    core.mkdir(folder.path .. "/here")
    local result = program.run(folder.path .. "/here", { "new", "a", "--data", folder.path .. "/rows.csv" })
    assert.truthy(result.out:find(("\na.lua and .luarc.json (for editors). Now: mtl run a.lua --data %s\n"):format(
      folder.path), 1, true), result.out)
    assert.equal(0, program.run(folder.path .. "/here", { "check", "a.lua", "--data", folder.path }).status)
  end)

  it("describes a folder of images", function()
    for i = 1, 12 do
      folder.png(("photos/%s/%d.png"):format(i % 2 == 0 and "cat" or "dog", i), 1, 12, 12, i % 2 * 200)
    end
    ok("new", "pets", "--images", "photos/")
    has("pets.lua", 'dir = "photos"', 'name = "label", head = nn.linear(64, 2)', "nn.conv2d(nil, 16, 3")
    ok("run", "pets.lua", "--quiet", "--max-steps", "2")
    folder.png("photos/cat/odd.png", 1, 20, 12, 5)
    folder.write("photos/labels.csv", "file,age\n")
    wrong({ "new", "ages", "--images", "photos" }, "labels.csv")
    core.remove(folder.path .. "/photos/labels.csv")
    ok("new", "sizes", "--images", "photos")
    has("sizes.lua", "mtl.transform.resize(64, 64), mtl.transform.random_flip()")
    ok("check", "sizes.lua")
    wrong({ "new", "x", "--images", "nowhere" }, "nowhere")
  end)

  it("describes a folder of images with a table", function()
    local lines = { "file;kind of pet;kg;note" }
    for i = 1, 120 do
      folder.png(("pets/%d.png"):format(i), 3, 12, 12, i)
      lines[i + 1] = ("%d.png;%s;%d.5;note %d"):format(i, i % 2 == 0 and "cat" or "dog", i, i)
    end
    folder.write("pets/labels.csv", table.concat(lines, "\n") .. "\n")
    ok("new", "pets", "--images", "pets")
    has("pets.lua", 'separator = ";"', 'kind_of_pet = { column = "kind of pet" }',
      'kg = { column = "kg", normalize = true }')
    ok("check", "pets.lua")
    folder.write("pets/labels.csv", "name,kind\n1,cat\n")
    wrong({ "new", "x", "--images", "pets" }, "labels.csv: there is no column 'file'")
    core.remove(folder.path .. "/pets/labels.csv")
    wrong({ "new", "x", "--images", "pets" }, "pets/1.png", "--labels FILE")
    lines[1] = "filename;kind of pet;kg;note"
    folder.write("said.csv", table.concat(lines, "\n") .. "\n")
    assert.matches("left out: note %(text with 120 values in 120 rows%)", ok("new", "elsewhere", "--images", "pets",
      "--labels", "said.csv"))
    has("elsewhere.lua", 'labels = "said.csv", separator = ";", file = "filename"')
    ok("check", "elsewhere.lua")
  end)

  it("says that folders of classes are left out beside a table", function()
    local lines = { "file,size" }
    for i = 1, 20 do
      local name = ("%s/%d.png"):format(i % 2 == 0 and "ring" or "square", i)
      folder.png("pics/" .. name, 1, 12, 12, i)
      lines[i + 1] = ("%s,%d.5"):format(name, i)
    end
    folder.write("pics/labels.csv", table.concat(lines, "\n") .. "\n")
    assert.truthy(ok("new", "pics", "--images", "pics"):find(
      "left out: the folders ring, square (put them into a column of pics/labels.csv to learn them)", 1, true))
    ok("check", "pics.lua")
  end)

  it("checks its arguments", function()
    wrong({ "new" }, "NAME is missing")
    wrong({ "new", "a/b" }, "'a/b'")
    wrong({ "new", "a", "--target", "x" }, "--data")
    wrong({ "new", "a", "--images", ".", "--data", "x" }, "--images")
  end)
end)
