local complete = require "mtl.cli.complete"
local context = require "mtl.cli.context"
local core = require "mtl.core"
local mtl = require "mtl"
local program = dofile "spec/support/program.lua"

local env = { mtl = mtl, policy = mtl.policy, nn = mtl.nn, kpi = mtl.kpi, print = print, string = string,
  t = core.zeros(2), net = mtl.nn.linear(1, 2), list = { { name = "x", size = 1 }, ab = { deep = 1 } } }

-- The words that the end of a line may become; `before`: the lines of the input so far.
local function words(line, before)
  local start, list = complete.find(before or "", line, env)
  return table.concat(list, ","), start
end

describe("completion", function()
  it("finds globals, keywords and nothing after a call", function()
    assert.equal("print", words "pri")
    assert.equal("net,nil,nn,not", words "x = n")
    assert.equal("nn", words "f(nn")
    assert.equal("", words "f(x).ab")
    assert.equal("", words "unknown_name.ab")
    assert.equal("", words "-- a remark pri")
    assert.equal("", words "[[ a text pri")
  end)

  it("finds fields, members that are not loaded yet, and methods", function()
    assert.equal("policy", words "mtl.pol")
    assert.equal("graddrop,gradnorm,gradvac", words "policy.grad")
    assert.equal("accuracy", words "mtl.kpi.acc")
    assert.equal("shape", words "t:sha")
    assert.equal("reshape", words "1 + t:resh")
    assert.equal("parameters", words "net:par")
    assert.equal("in_features", words "net.in_f")
    assert.equal("", words "net:in_f")
    assert.equal("name", words "list[1].na")
    assert.equal("deep", words "list['ab'].d")
    assert.equal("upper", words "string.up")
  end)

  it("finds the keys of recipes, tasks and stages, and options of constructors", function()
    assert.equal("seed = ,select = ", words "mtl.recipe { name = 'x', se")
    assert.equal("tasks = ", words("  ta", "return mtl.recipe({\n  data = nil,\n"))
    assert.equal("target = ", words("targ", "mtl.recipe {\n  tasks = {\n    { name = 'a' }, { name = 'b',\n"))
    assert.equal("max_epochs = ", words "mtl.recipe { stages = { { max")
    assert.equal("normalize = ", words "policy.focal { gamma = { left = 2 }, nor")
    assert.equal("padding = ", words "nn.conv2d(1, 2, 3, { padd")
    assert.equal("print", words "policy.focal { gamma = pri")
  end)

  it("finds files, data sets and commands", function()
    local folder = program.folder()
    core.mkdir(folder .. "/sub")
    program.write(folder .. "/one.csv", "")
    assert.equal(folder .. "/sub/", words("f('" .. folder .. "/s"))
    assert.equal(folder .. '/one.csv"', words('f("' .. folder .. "/o"))
    assert.equal(folder .. "/one.csv," .. folder .. "/sub/", words("%load " .. folder .. "/"))
    program.remove(folder)
    assert.equal('diamonds"', words 'mtl.dataset("diam')
    assert.equal("%time ", words "%ti")
    assert.equal("print", words "%time pri")
    assert.equal("cpu", words "%device c")
    assert.equal("test'", words "evaluate 'te")
    assert.equal('kpi",loss",weight"', words 'plot("')
    assert.equal('loss"', words 'plot(run, "l')
  end)

  it("says what to insert, and shows what there is where that is nothing", function()
    assert.same({ "cgrad" }, { complete.tab("", "policy.p", env, 80) })
    local more, lines = complete.tab("", "policy.grad", env, 80)
    assert.equal("", more)
    assert.equal("graddrop  gradnorm  gradvac", lines)
    assert.equal("graddrop\ngradnorm\ngradvac", (select(2, complete.tab("", "policy.grad", env, 10))))
    assert.same({ "  " }, { complete.tab("", "", env, 80) })
    assert.same({ "" }, { complete.tab("", "nothing_like_this", env, 80) })
  end)

  it("runs nothing of other people's", function()
    local ran
    env.trap = setmetatable({}, { __index = function() ran = true end, __pairs = function() ran = true end })
    assert.equal("", words "trap.x")
    assert.equal("", words "trap.x.y")
    assert.is_nil(ran)
  end)

  it("knows within which brackets it is", function()
    assert.same({ closed = true }, context.of "x = 1 -- it's")
    assert.equal("it's", context.of([["it's]]).string)
    assert.equal("help", context.of("help 'po").head)
    assert.equal("f", context.of("f(1, g{}, ").inside.head)
    assert.is_nil(context.of("f(')')").inside)
    assert.equal(",", context.of("{ [[a]], ").last)
    assert.equal("tasks", context.of("r { tasks = { {} , ").inside.key)
  end)
end)
