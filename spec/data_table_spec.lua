--- Tables with several inputs, and weighted sampling.
local core = require "mtl.core"
local mtl = require "mtl"
local support = dofile "spec/support/data.lua"

local folder = support.folder()
local at = folder.at

local function refused(declaration, ...)
  support.refused(declaration, at, ...)
end

teardown(function() support.remove(folder.path) end)

describe("fields of data.csv", function()
  local text = "a,b,color,city,fold,y\n0,1,red,Rome,train,1\n2,1,blue,Bonn,train,2\n4,1,,Rome,train,3\n"
    .. "2,,green,,test,4\n"

  local function csv(fields, more)
    local o = { path = "t.csv", fields = fields, targets = { y = "y" }, split = { column = "fold" } }
    for key, value in pairs(more or {}) do
      o[key] = value
    end
    return mtl.data.csv(o)
  end

  before_each(function() folder.write("t.csv", text) end)

  it("are floats of numbers, and codes of text that nn.embedding takes", function()
    local set = csv { dense = { "a", "b" }, sparse = { { column = "color", levels = { "red", "blue" } }, "city" } }
      :open(at)
    assert.same({ "dense", "sparse" }, set.inputs)
    assert.same({ { 2 }, { 2 } }, set.input_shapes)
    local rows, test = support.rows(set, "train"), support.rows(set, "test")
    assert.equal("int32", test[2]:dtype())
    -- color: 0 red, 1 blue, 2 missing or unknown; city: 3 Bonn, 4 Rome, 5 missing or unknown
    assert.same({ sparse = 6 }, set.codes)
    assert.same({ { 2, 5 } }, test[2]:totable())
    local order = rows[3]:totable()
    local sparse = { { 0, 4 }, { 1, 3 }, { 2, 4 } }
    for i, y in ipairs(order) do
      assert.same(sparse[y], rows[2][i]:totable())
      assert.near((2 * y - 4) / math.sqrt(8 / 3), rows[1][i][1]:item(), 1e-6)
    end
    assert.same({ { 0, 0 } }, test[1]:totable())
  end)

  it("are kept for another run, and must be the same", function()
    local declared = csv { dense = { "a" }, sparse = { "color" } }
    local state = core.json_decode(core.json_encode(declared:open(at).state))
    folder.write("t.csv", "a,color,fold,y\n9,brown,train,1\n9,red,train,1\n")
    local again = declared:open { path = at.path, state = state }
    assert.same({ sparse = 4 }, again.codes) -- blue, green, red, and the last
    assert.same({ 3, 2 }, core.sort(again:fields "train"[2].tensor:reshape(-1):cast "float32", 1, true):totable())
    refused({ open = function(_, where)
      return csv { dense = { "a" }, sparse = { "city" } }:open { path = where.path, state = state }
    end }, "field 'sparse'", "'color'", "'city'")
  end)

  it("have as many codes as the embedding that reads them has rows", function()
    local set, nn = csv { dense = { "a" }, sparse = { "color", "city" } }:open(at), mtl.nn
    local function model(rows)
      return core.json_encode(nn.graph { inputs = { "dense", "sparse" }, nodes = {
        { "codes", nn.sequential { nn.embedding(rows, 2), nn.flatten() }, from = "sparse" },
        { "y", nn.linear(nil, 1), from = "codes" } }, outputs = { y = "y" } }:description { "y" })
    end
    set:check_model(model(7))
    assert.error_matches(function() set:check_model(model(6)) end, "'sparse' has 7 codes.*nn.embedding%(7, 2%)")
  end)

  it("hold either numbers or text, and stand in place of inputs", function()
    refused(csv { both = { "a", "color" } }, "t.csv", "'both'", "'a'", "'color'", "classes = true")
    assert.error_matches(function() csv { none = {} } end, "'none'.*at least one column")
    assert.error_matches(function() csv {} end, "fields")
    assert.same({ both = 8 }, csv { both = { { column = "a", classes = true }, "color" } }:open(at).codes)
    assert.error_matches(function() csv({ d = { "a" } }, { inputs = { "a" } }) end, "one of the two")
    assert.error_matches(function() mtl.data.csv { path = "t.csv", targets = { y = "y" } } end, "one of the two")
  end)
end)

describe("sample", function()
  local labels = core.tensor({ 0, 0, 0, 0, 0, 0, 1, 1, -1, -1 }, "int32")

  local function open(sample, more)
    local o = { inputs = core.arange(10):reshape(10, 1), targets = { c = labels, x = core.arange(10) }, split = { 1 },
      sample = sample }
    for key, value in pairs(more or {}) do
      o[key] = value
    end
    return mtl.data.tensors(o):open(at)
  end

  it("balances classes; rows without the label keep their share", function()
    local set = open { balance = "c" }
    local want = { [0] = 4 / 6, [1] = 4 / 2, [-1] = 1 }
    for i, label in ipairs(set:target_tensor("train", 2):totable()) do
      assert.near(want[label], set.weights[i]:item(), 1e-6)
    end
    assert.near(10, set.weights:sum():item(), 1e-5)
    set = open { balance = "c", weights = { [1] = 3 } }
    want = { [0] = 8 / 4 / 6, [1] = 3 * 8 / 4 / 2, [-1] = 1 }
    for i, label in ipairs(set:target_tensor("train", 2):totable()) do
      assert.near(want[label], set.weights[i]:item(), 1e-6)
    end
  end)

  it("draws training rows by these weights, the same ones for a seed", function()
    local set = open({ balance = "c", weights = { [1] = 0 } })
    local function drawn()
      return support.rows(set, "train", true)[2]:totable()
    end
    local first = drawn()
    assert.equal(10, #first)
    assert.same(first, drawn())
    for _, label in ipairs(first) do
      assert.is_true(label ~= 1)
    end
    local rows = support.rows(set, "train", false)[3]:totable() -- an evaluation sees every row, once
    table.sort(rows)
    assert.same(core.arange(10):totable(), rows)
  end)

  it("takes a column of weights", function()
    folder.write("w.csv", "x,y,w\n1,a,0.5\n2,b,2\n3,b,0\n")
    local function csv(w)
      return mtl.data.csv { path = "w.csv", inputs = { "x" }, targets = { y = "y" }, split = { 1 },
        sample = { column = w } }
    end
    local set = csv "w":open(at)
    assert.near(2.5, set.weights:sum():item(), 1e-6)
    refused(csv "v", "v", "w")
    folder.write("w.csv", "x,y,w\n1,a,-1\n2,b,2\n")
    refused(csv "w", "sample", "'w'")
    folder.write("w.csv", "x,y,w\n1,a,\n2,b,2\n")
    refused(csv "w", "sample", "'w'", "missing")
  end)

  it("says what is wrong", function()
    local function wrong(sample, ...)
      local ok, message = pcall(open, sample)
      assert.is_false(ok)
      for _, part in ipairs { ... } do
        assert.truthy(tostring(message):find(part, 1, true), message)
      end
    end
    wrong({ balance = "d" }, "no target 'd'", "c")
    wrong({ balance = "x" }, "'x'", "no class")
    wrong({ column = "w" }, "'w'", "tables")
    wrong({ balence = "c" }, "balence", "balance")
    wrong({}, "balance = TARGET")
    wrong({ balance = "c", weights = { [2] = 1 } }, "no class 2", "0 to 1")
    wrong({ balance = "c", weights = { [1] = -1 } }, "class 1", "-1")
    wrong({ balance = "c", weights = { [0] = 0, [1] = 0 } }, "above 0")
  end)
end)

describe("a target without any label", function()
  it("is refused, whatever the data", function()
    local x = core.zeros(4, 2)
    refused(mtl.data.tensors { inputs = x, targets = { c = core.full({ 4 }, -1, "int32") } }, "'c'", "no label")
    refused(mtl.data.tensors { inputs = x, targets = { c = core.full({ 4 }, 0 / 0) } }, "'c'", "no label")
    refused(mtl.data.tensors { inputs = x, targets = { c = core.full({ 4 }, -1, "int32") }, classes = { c = 3 } },
      "'c'", "no label")
  end)
end)
