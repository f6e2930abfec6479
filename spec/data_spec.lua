local core = require "mtl.core"
local data = require "mtl.data"
local split = require "mtl.data.split"

local folder

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text)
  file:close()
end

local at = {
  path = function(p)
    return folder .. "/" .. p
  end,
}

local function refused(declaration, ...)
  local ok, message = pcall(declaration.open, declaration, at)
  assert.is_false(ok)
  for _, part in ipairs { ... } do
    assert.truthy(tostring(message):find(part, 1, true), ("%s does not say '%s'"):format(message, part))
  end
end

setup(function()
  folder = os.tmpname()
  os.remove(folder)
  core.mkdir(folder)
end)

teardown(function()
  for _, name in ipairs(core.listdir(folder)) do
    core.remove(folder .. "/" .. name)
  end
  core.remove(folder)
end)

describe("split", function()
  it("gives the same shuffled rows for a seed, each once", function()
    local rows, again, other = split.rows(103, { 0.8, 0.1, 0.1 }, 1), split.rows(103, { 0.8, 0.1, 0.1 }, 1),
      split.rows(103, { 0.8, 0.1, 0.1 }, 2)
    assert.same({ 83, 10, 10 }, { #rows.train, #rows.valid, #rows.test })
    assert.same(rows.train:totable(), again.train:totable())
    assert.not_same(rows.train:totable(), other.train:totable())
    local seen = {}
    for _, part in pairs(rows) do
      for _, row in ipairs(part:totable()) do
        assert.is_nil(seen[row])
        seen[row] = true
      end
    end
    assert.equal(103, #core.cat({ rows.train, rows.valid, rows.test }, 1))
  end)

  it("refuses fractions that are none or do not add up", function()
    assert.truthy(split.check { 0.5, 0.4 }:find("0.9", 1, true))
    assert.truthy(split.check { 1.5, -0.5 })
    assert.truthy(split.check {})
    assert.is_nil(split.check { 1 })
  end)
end)

describe("data.tensors", function()
  local function declare(options)
    options.inputs = options.inputs or core.arange(20):reshape(10, 2)
    options.targets = options.targets
      or { a = core.arange(10), b = core.tensor({ 0, 1, 2, -1, 0, 1, 2, 0, 1, 2 }, "int32") }
    return data.tensors(options)
  end

  it("keeps rows together and describes targets", function()
    local set = declare { split = { 0.5, 0.2, 0.3 } }:open {}
    assert.same({ train = 5, valid = 2, test = 3 }, set.rows)
    assert.same({ { 2 } }, set.input_shapes)
    assert.same({ "a", "b" }, set.target_names)
    assert.same({ kind = "number", shape = {} }, set.targets.a)
    assert.same({ kind = "class", classes = 3 }, set.targets.b)
    for _, name in ipairs { "train", "valid", "test" } do
      local fields = set:fields(name)
      local x, a = fields[1].tensor:totable(), fields[2].tensor:totable()
      for i, row in ipairs(x) do
        assert.equal(2 * a[i], row[1])
      end
    end
  end)

  it("has no splits but those asked for", function()
    local set = declare { split = { 1 } }:open {}
    assert.same({ train = 10 }, set.rows)
    assert.is_nil(set:fields "test")
  end)

  it("says what does not fit", function()
    refused(declare { targets = { a = core.zeros(9) } }, "'a' has 9 rows", "'input' has 10")
    refused(declare { targets = { a = { 1, 2 } } }, "target 'a'", "tensor")
    local six = core.tensor({ 0, 5 }, "int32")
    refused(declare { targets = { a = six }, inputs = core.zeros(2, 1), classes = { a = 3 } }, "class 5", "3 classes")
    assert.error_matches(function() declare { batch = 0 } end, "batch")
  end)
end)

describe("data.csv", function()
  local text = "size,color,price,grade,fold\n1,red,10,good,train\n2,blue,100,bad,train\n3,,1000,good,train\n"
    .. ",red,10000,,test\n"

  local function declare(options)
    options.path = options.path or "t.csv"
    options.inputs = options.inputs or { "size", "color" }
    options.targets = options.targets
      or { price = { column = "price", log = true, normalize = true }, grade = "grade" }
    if options.path == "t.csv" then
      options.split = options.split or { column = "fold" }
    end
    return data.csv(options)
  end

  before_each(function()
    write("t.csv", text)
  end)

  it("normalises by the training rows, makes text features, and keeps what it fitted", function()
    local set = declare {}:open(at)
    assert.same({ train = 3, test = 1 }, set.rows)
    local x = set:fields "train"[1].tensor:totable()
    local s = math.sqrt(2 / 3)
    for i, row in ipairs { { -1 / s, 0, 1 }, { 0, 1, 0 }, { 1 / s, 0, 0 } } do -- blue, red; a missing text is all 0
      for j, value in ipairs(row) do
        assert.near(value, x[i][j], 1e-6)
      end
    end
    assert.same({ 0, 0, 1 }, set:fields "test"[1].tensor:totable()[1]) -- a missing number is the mean
    assert.same({ "bad", "good" }, set.targets.grade.levels)
    assert.same({ 1, 0, 1 }, set:fields "train"[2].tensor:totable())
    assert.same({ -1 }, set:fields "test"[2].tensor:totable())
    local own = set.targets.price.own
    local price = set:fields "test"[3].tensor:item()
    assert.near(10000, math.exp(price * own.scale + own.shift), 0.1)
  end)

  it("reads new rows as a kept state says", function()
    local state = core.json_decode(core.json_encode(declare {}:open(at).state))
    write("t.csv", "size,color,price,grade,fold\n12,green,10,good,train\n2,red,10,,train\n")
    local set = declare {}:open { path = at.path, state = state }
    local x = set:fields "train"[1].tensor:totable()
    assert.near(10 / math.sqrt(2 / 3), x[1][1], 1e-5)
    assert.same({ 0, 0 }, { x[1][2], x[1][3] })
    assert.same({ 1, -1 }, set:fields "train"[2].tensor:totable())
  end)

  it("takes splits from files, and levels in a given order", function()
    write("u.csv", text)
    local set = declare {
      path = { train = "t.csv", test = "u.csv" },
      targets = { grade = { column = "grade", levels = { "good", "bad" } } },
    }:open(at)
    assert.same({ train = 4, test = 4 }, set.rows)
    assert.same({ 0, 1, 0, -1 }, set:fields "test"[2].tensor:totable())
  end)

  it("refuses a kept state of other data", function()
    local function with(state, ...)
      refused({ open = function(_, where)
        return declare {}:open { path = where.path, state = state }
      end }, "another recipe", ...)
    end
    with({ targets = {} }, "input 1", "'size'")
    local state = declare { inputs = { "size", "price" }, targets = { grade = "grade" } }:open(at).state
    with(state, "input 2", "'price'", "'color'")
    state = declare { targets = { price = "price" } }:open(at).state
    with(state, "target 'grade'")
    state = declare { inputs = { "size", "color", "price" }, targets = { grade = "grade" } }:open(at).state
    with(state, "3 inputs", "2")
  end)

  it("says which column is meant", function()
    refused(declare { inputs = { "sise" } }, "t.csv", "no column 'sise'", "did you mean 'size'?", "'color'")
    refused(declare { split = { column = "folt" } }, "t.csv", "no column 'folt'")
    refused(declare { separator = ";" }, "t.csv", "one column", 'separator = ","')
    refused(declare { inputs = { "size", "price" } }, "'price'", "read the answer")
    write("t.csv", 'size,price,grade\n"1,5",1,good\n"2,25",2,bad\n')
    refused(declare { inputs = { "size" } }, "t.csv", "'1,5'", "decimal commas", 'decimal = ","')
    local set = declare { inputs = { "size" }, targets = { grade = "grade", price = "price" }, decimal = ",",
      split = { 1 }, normalize = false }:open(at)
    assert.near(3.75, set:fields "train"[1].tensor:sum():item(), 1e-6)
    assert.equal(",", set.state.decimal)
    assert.error_matches(function() declare { decimal = ";" } end, "decimal")
    write("t.csv", "size,price,grade\n1,€ 5,good\n2,€ 7,bad\n")
    refused(declare { inputs = { "size" }, targets = { price = "price" } }, "'price'", "currency sign")
    write("t.csv", "size,price,grade\n01.02.2020,5,good\n03.02.2020,7,bad\n")
    assert.same({ "grade" }, declare { inputs = { "size" }, targets = { grade = "grade" }, split = { 1 } }:open(at)
      .target_names) -- two dates may be classes
    for i, case in ipairs { { "1,234,567", "commas between thousands" }, { "1.234,5", "points between thousands" },
      { "7 %", "percent" }, { "2019-02-03", "dates" }, { "1,234", 'decimal = ","' } } do
      local lines = { "size;price;grade" }
      for k = 1, 30 do
        lines[k + 1] = ("%s;%d;good"):format(i == 4 and ("2019-02-%02d"):format(k) or case[1], k)
      end
      write("t.csv", table.concat(lines, "\n") .. "\n")
      refused(declare { inputs = { "size" }, targets = { price = "price" }, separator = ";" }, "'size'", case[2])
    end
  end)

  it("refuses a target without labels, or with one that it does not know", function()
    refused(declare { targets = { grade = { column = "grade", levels = { "Good", "Bad" } } } },
      "t.csv", "'grade'", "'bad', 'good'", "'Good', 'Bad'")
    assert.error_matches(function() declare { targets = { grade = { levels = {} } } } end, "grade.*levels")
    assert.error_matches(function() declare { targets = { grade = { levels = { "bad", "bad" } } } } end, "'bad'.*twice")
    write("u.csv", (text:gsub("bad", "ugly")))
    refused(declare { path = { train = "t.csv", test = "u.csv" } }, "u.csv", "'grade'", "'ugly'", "'good'")
    write("t.csv", "size,color,price,grade,fold\n1,red,10,,train\n2,blue,10,,train\n3,blue,10,good,test\n")
    refused(declare {}, "t.csv", "'grade'", "no label", "2 training rows")
    write("t.csv", "size,color,price,grade,fold\n1,red,,good,train\n2,blue,,bad,train\n")
    refused(declare {}, "t.csv", "'price'", "no label")
  end)

  it("knows a class by its number however it is written", function()
    write("t.csv", "a,b\n1,0\n2,1\n3,1\n")
    write("u.csv", "a,b\n1,1.0\n2,0.0\n")
    for _, levels in ipairs { false, { 0, 1 } } do
      local set = data.csv { path = { train = "t.csv", test = "u.csv" }, inputs = { "a" },
        targets = { b = { column = "b", classes = true, levels = levels or nil } } }:open(at)
      assert.same({ 0, 1, 1 }, set:fields "train"[2].tensor:totable())
      assert.same({ 1, 0 }, set:fields "test"[2].tensor:totable())
    end
  end)

  it("refuses paths that it would not read", function()
    assert.error_matches(function() declare { path = { train = "t.csv", tset = "u.csv" } } end, "tset.*'test'")
    assert.error_matches(function() declare { path = { test = "t.csv" } } end, "train")
    assert.error_matches(function() declare { path = { train = 3 } } end, "path.train")
    assert.error_matches(function() declare { path = { train = "t.csv" }, split = { 1 } } end, "split")
  end)

  it("reads the columns of other files as those of training", function()
    write("u.csv", "size,color,price,grade,fold\n1,red,10,good,test\nbig,red,10,good,test\n")
    refused(declare { path = { train = "t.csv", test = "u.csv" } }, "u.csv:3", "'size'", "'big'", "number")
    write("u.csv", "size,color,price,grade,fold\n1,7,10,,test\n")
    local set = declare { path = { train = "t.csv", test = "u.csv" } }:open(at)
    assert.same({ 0, 0 }, set:fields "test"[1].tensor:slice(2, 2, 3):totable()[1])
  end)

  it("refuses text where a number is meant, or each row has a text of its own", function()
    local function rows(n, value)
      local lines = { "a,b" }
      for i = 1, n do
        lines[i + 1] = ("%s,%d"):format(value(i), i)
      end
      write("t.csv", table.concat(lines, "\n") .. "\n")
    end
    local function csv(options, missing)
      options.column = "a"
      return data.csv { path = "t.csv", inputs = { options }, targets = { b = "b" }, split = { 1 }, missing = missing }
    end
    rows(150, function(i) return i == 70 and "?" or i / 7 end)
    refused(csv {}, "t.csv:71", "'a'", "'?'", "150 values", 'missing = "?"', "levels =")
    refused(data.csv { path = "t.csv", inputs = { "b" }, targets = { a = "a" } }, "'a'", "'?'", "missing =")
    assert.same({ { 1 } }, csv({}, "?"):open(at).input_shapes)
    assert.same({ { 150 } }, csv { classes = true }:open(at).input_shapes)
    rows(150, function(i) return "name " .. i end)
    refused(csv {}, "t.csv", "'a'", "150 different", "levels =")
    refused(csv { normalize = true }, "t.csv:2", "'name 1'", "normalized")
    assert.same({ { 1 } }, csv { levels = { "name 3" } }:open(at).input_shapes)
    rows(1500, function(i) return "name " .. i % 120 end)
    assert.same({ { 120 } }, csv {}:open(at).input_shapes)
  end)

  it("says what is wrong", function()
    refused(declare { inputs = { "sise" } }, "sise", "size")
    refused(declare { split = { 0, 1 } }, "t.csv", "'train'", "4 rows")
    for key, value in pairs { lg = true, log = "no", normalize = 1, classes = 4 } do
      assert.error_matches(function() declare { targets = { price = { [key] = value } } } end,
        key == "lg" and "data.csv: target 'price': unknown key 'lg'; did you mean 'log'"
          or "data.csv: target 'price': " .. key .. " is '?%w+'?, which should be true or false")
    end
    assert.error_matches(function() declare { inputs = { { column = "size", normalize = "no" } } } end,
      "input 1: normalize is 'no'")
    refused(declare { targets = { grade = { column = "grade", log = true } } }, "grade", "logarithm")
    refused(declare { split = { column = "color" } }, "'blue'", "train")
    refused(declare { path = "missing.csv" }, "missing.csv")
    write("t.csv", "size,color,price,grade,fold\n")
    refused(declare {}, "t.csv", "no rows")
    write("t.csv", "size,color,price,grade,fold\n1,red,-10,good,train\n")
    refused(declare {}, "price", "-10", "logarithm")
  end)
end)

describe("data.idx", function()
  local function idx(dims, bytes)
    local head = string.pack(">BBBB", 0, 0, 8, #dims)
    for _, d in ipairs(dims) do
      head = head .. string.pack(">I4", d)
    end
    return head .. bytes
  end

  before_each(function()
    write("images", idx({ 4, 2, 3 }, ("\0\51\255\0\0\0"):rep(4)))
    write("labels", idx({ 4 }, "\0\1\2\1"))
  end)

  it("reads images as bytes and labels as classes", function()
    local files = { input = "images", digit = "labels" }
    local set = data.idx { train = files, test = files, split = { 0.5, 0.5 }, mean = 0.5, std = 0.25 }:open(at)
    assert.same({ train = 2, valid = 2, test = 4 }, set.rows)
    assert.same({ { 1, 2, 3 } }, set.input_shapes)
    assert.equal(3, set.targets.digit.classes)
    local field = set:fields "test"[1]
    assert.equal("uint8", field.tensor:dtype())
    assert.near((51 / 255 - 0.5) / 0.25, 51 * field.scale + field.shift, 1e-9)
  end)

  it("says what is wrong", function()
    write("labels", idx({ 3 }, "\0\1\2"))
    refused(data.idx { train = { input = "images", digit = "labels" } }, "3 labels", "4 images")
    write("labels", "")
    refused(data.idx { train = { input = "images", digit = "labels" } }, "labels")
    refused(data.idx { train = { input = "images" } }, "target")
    write("labels", idx({ 4 }, "\0\1\2\1"))
    refused(data.idx { train = { input = "labels", digit = "labels" } }, "uint8 in 1 dimension,", "images")
  end)
end)
