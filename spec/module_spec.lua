local core = require "mtl.core"
local mtl = require "mtl"
local program = dofile "spec/support/program.lua"
local nn, optim = mtl.nn, mtl.optim

local function parameter(net, name)
  for _, p in ipairs(net:parameters()) do
    if p.name == name then
      return p.tensor
    end
  end
end

-- linear(2, 1) with weight [1, 2] and bias 0.5
local function known()
  local net = nn.linear(2, 1):freeze { inputs = { 2 }, seed = 1 }
  core.no_grad(function()
    parameter(net, "weight"):copy_(core.tensor { { 1, 2 } })
    parameter(net, "bias"):copy_(core.tensor { 0.5 })
  end)
  return net
end

local function bytes(net)
  local list = {}
  for i, p in ipairs(net:parameters()) do
    list[i] = p.name .. p.tensor:bytes()
  end
  return table.concat(list)
end

local function mlp()
  return nn.sequential { nn.linear(nil, 8), nn.tanh(), nn.dropout(0.2), nn.linear(8, 1) }
end

local function train(net, opt, steps, seed)
  for i = 1, steps do
    local x = core.uniform_(core.zeros(16, 2), seed + i, "spec/module", 0, -1, 1)
    local e = (net(x) - x:sum(2, true)):square():mean()
    opt:zero_grad()
    e:backward()
    opt:step()
  end
end

describe("a module of one's own", function()
  local folder
  setup(function() folder = program.folder() end)
  teardown(function() program.remove(folder) end)

  it("makes the step that was worked by hand", function()
    local net = known()
    local opt = optim.sgd { lr = 0.1 }:attach(net)
    local y = net(mtl.tensor { { 1, 0 }, { 0, 1 } })
    assert.same({ { 1.5 }, { 2.5 } }, y:totable())
    opt:zero_grad()
    y:square():mean():backward() -- d/dy = y: weight's gradient is [1.5, 2.5], the bias's 4
    assert.same({ { 1.5, 2.5 } }, parameter(net, "weight"):grad():totable())
    assert.same({ 4 }, parameter(net, "bias"):grad():totable())
    opt:step()
    assert.near(0.85, parameter(net, "weight"):totable()[1][1], 1e-6)
    assert.near(1.75, parameter(net, "weight"):totable()[1][2], 1e-6)
    assert.near(0.1, parameter(net, "bias"):totable()[1], 1e-6)
    assert.equal(3, net:count())
  end)

  it("steps a trunk and heads together, with one clipped norm", function()
    local a, b = known(), known()
    local opt = optim.sgd { lr = 1 }:attach { a, b }
    local x = mtl.tensor { { 3, 0 } }
    -- gradients: a: weight [3, 0], bias 1; b: twice as much. Norm sqrt(10 + 40)
    local e = a(x):sum() + b(x):sum() * 2
    opt:zero_grad()
    e:backward()
    assert.near(50 ^ 0.5, opt:step { clip = 1 }, 1e-5)
    assert.near(1 - 3 / 50 ^ 0.5, parameter(a, "weight"):totable()[1][1], 1e-6)
    assert.near(0.5 - 2 / 50 ^ 0.5, parameter(b, "bias"):totable()[1], 1e-6)
  end)

  it("infers widths from the first batch, and draws from manual_seed", function()
    mtl.manual_seed(5)
    local a, b = mlp(), mlp()
    local x = mtl.ones(4, 3)
    assert.same({ 4, 1 }, a(x):shape())
    assert.same({ 4, 1 }, b(x):shape())
    assert.equal(3 * 8 + 8 + 8 + 1, a:count())
    assert.is_false(bytes(a) == bytes(b))
    mtl.manual_seed(5)
    local again = mlp()
    again(x)
    assert.is_true(bytes(a) == bytes(again))
    assert.is_true(bytes(mlp():freeze { inputs = { 3 }, seed = 9 }) == bytes(mlp():freeze { inputs = { { 3 } },
      seed = 9 }))
  end)

  it("drops out while it trains only", function()
    local net = mlp():eval()
    local x = mtl.ones(64, 2)
    assert.same(net(x):totable(), net(x):totable())
    net:train()
    assert.is_false(net(x):sum():item() == net(x):sum():item())
  end)

  it("gives a graph's outputs by name", function()
    local net = nn.graph { inputs = { "a", "b" }, nodes = {
      { "joined", nn.concat {}, from = { "a", "b" } },
      { "one", nn.linear(nil, 1), from = "joined" }, { "two", nn.linear(nil, 2), from = "joined" },
    }, outputs = { left = "one", right = "two" } }
    local ok, message = pcall(net, mtl.ones(3, 2))
    assert.is_false(ok)
    assert.matches("'b'", message)
    local out = net { a = mtl.ones(3, 2), b = mtl.ones(3, 4) }
    assert.same({ 3, 1 }, out.left:shape())
    assert.same({ 3, 2 }, out.right:shape())
  end)

  it("mixes experts by the weights of a gate", function()
    local mix = nn.graph { inputs = { "w", "x" }, nodes = { { "y", nn.mixture(), from = { "w", "x" } } },
      outputs = { y = "y" } }
    local w, x = mtl.tensor { { 1, 0 }, { 0.25, 0.75 } }, mtl.tensor { { 1, 2, 3, 4 }, { 4, 0, 8, 4 } }
    w:requires_grad(true)
    x:requires_grad(true)
    local y = mix { w = w, x = x }.y
    assert.same({ { 1, 2 }, { 7, 3 } }, y:totable());
    (y * mtl.tensor { { 1, 10 }, { 100, 1000 } }):sum():backward()
    assert.same({ { 1, 10, 0, 0 }, { 25, 250, 75, 750 } }, x:grad():totable())
    assert.same({ { 21, 43 }, { 400, 4800 } }, w:grad():totable())
    local ok, message = pcall(nn.graph { inputs = { "w", "x" }, nodes = { { "y", nn.mixture(), from = { "w", "x" } } },
      outputs = { y = "y" } }, { w = w, x = mtl.ones(2, 3) })
    assert.is_false(ok)
    assert.matches("y %(mixture%): .*%[3%].*multiple of 2", message)
  end)

  it("is saved, and goes on to the same bits", function()
    local file = folder .. "/net.safetensors"
    mtl.manual_seed(1)
    local net = mlp()
    local opt = optim.adam { lr = 0.01, schedule = optim.cosine { steps = 50 } }:attach(net)
    train(net, opt, 10, 0)
    mtl.save(file, net, opt)
    train(net, opt, 10, 100)
    local other = mlp()
    local other_opt = optim.adam { lr = 0.01, schedule = optim.cosine { steps = 50 } }:attach(other)
    assert.equal(other, mtl.load(file, other, other_opt))
    assert.is_false(bytes(net) == bytes(other))
    train(other, other_opt, 10, 100)
    assert.is_true(bytes(net) == bytes(other))
    assert.is_true(opt:lr() < 0.01)
    opt:lr(0.5)
    assert.equal(0.5, opt:lr())
  end)

  it("is saved with others by name", function()
    local file = folder .. "/two.safetensors"
    local trunk, head = nn.linear(2, 3):freeze { inputs = { 2 } }, nn.linear(3, 1):freeze { inputs = { 3 } }
    mtl.save(file, { trunk = trunk, head = head })
    local t, h = nn.linear(2, 3), nn.linear(3, 1)
    mtl.load(file, { trunk = t })
    mtl.load(file, { head = h })
    assert.is_true(bytes(trunk) .. bytes(head) == bytes(t) .. bytes(h))
    assert.error_matches(function() mtl.load(file, { tronk = nn.linear(2, 3) }) end, "did you mean 'trunk'")
    assert.error_matches(function() mtl.load(file, nn.linear(2, 3)) end, "several modules")
    assert.error_matches(function() mtl.load(file, { trunk = nn.linear(2, 4) }) end, "trunk.weight.*shape %[3, 2%]")
    assert.error_matches(function() mtl.load(file) end, "mtl.load%(path, net%)")
    assert.error_matches(function() mtl.load(file, { trunk = nn.linear(2, 3) }, optim.adam():attach(trunk)) end,
      "without an optimizer")
  end)

  it("belongs to one model", function()
    local net = mlp()
    local opt = optim.adam():attach(net)
    assert.error_matches(function() opt:step() end, "opt:step: this sequential has no parameters")
    opt:zero_grad()
    net(mtl.ones(1, 2))
    for _, part in ipairs { net, net.children[1] } do
      assert.error_matches(function() nn.sequential { part }(mtl.ones(1, 2)) end, "part of a model that was called")
    end
    assert.error_matches(function() net:freeze { inputs = { 2 } } end, "has its parameters already")
    assert.error_matches(function() net.children[1](mtl.ones(1, 2)) end, "part of a model that was called")
    assert.error_matches(function() mlp():freeze { input = { 2 } } end, "did you mean 'inputs'")
    assert.error_matches(function() mlp()(3) end, "called with a batch")
    assert.error_matches(function() mlp():parameters() end, "no parameters yet")
    assert.error_matches(function() optim.adam():attach(3) end, "it takes a module")
  end)
end)

describe("a stock Lua", function()
  local folder
  before_each(function() folder = program.folder() end)
  after_each(function() program.remove(folder) end)

  it("trains, loads, evaluates and predicts", function()
    program.write(folder .. "/recipe.lua", program.recipe())
    program.write(folder .. "/script.lua", [[
local mtl = require "mtl"
local run = dofile "recipe.lua":run { out = "one" }
local test = run:evaluate()
assert(math.abs(test.left.kpi - run.summary.test.left.kpi) < 1e-12)
local again = mtl.load "one"
assert(again:evaluate("valid").right.kpi <= 1)
local x = mtl.rand(50, 4)
local a, b = run:predict(x), again:predict(x)
assert(a.left:bytes() == b.left:bytes() and a.right:bytes() == b.right:bytes())
assert(os.remove "recipe.lua" and os.remove "one/recipe/recipe.lua")
print(mtl.load("one"):predict(x).left:bytes() == a.left:bytes(), #a.left)
]])
    local result = program.run(folder, { "script.lua" }, nil, "lua5.4")
    assert.equal("", result.err)
    assert.equal("true\t50\n", result.out)
    program.write(folder .. "/recipe.lua", program.recipe())
    result = program.run(folder, { "lua", "script.lua" })
    assert.matches("one' exists", result.err)
  end)
end)
