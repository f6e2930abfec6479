local core = require "mtl.core"

local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

local graph = core.json_encode {
  type = "graph",
  inputs = { "input" },
  nodes = {
    { name = "trunk", inputs = { "input" }, module = { type = "linear", in_features = core.null, out_features = 4 } },
    { name = "heads.a", inputs = { "trunk" }, module = { type = "linear", in_features = 4, out_features = 2 } },
    { name = "heads.b", inputs = { "trunk" }, module = { type = "linear", in_features = 4, out_features = 1 } },
  },
  outputs = { { name = "a", node = "heads.a" }, { name = "b", node = "heads.b" } },
}

describe("model", function()
  it("is frozen, runs the tasks of a mask, and trains", function()
    local model = core.model(graph)
    assert.same({ "input" }, model:inputs())
    assert.same({ "a", "b" }, model:outputs())
    assert.matches("freeze", message(model.parameters, model))
    model:freeze { seed = 1, inputs = { { 3 } } }
    assert.same({ 2 }, model:output_shape(1))
    assert.equal(3 * 4 + 4 + 4 * 2 + 2 + 4 + 1, model:count())
    assert.equal(16, model:shared())
    local x = core.ones(5, 3)
    local out = model:forward({ x }, 2)
    assert.is_nil(out[1])
    assert.same({ 5, 1 }, out[2]:shape())
    out = model:forward { input = x }
    assert.same({ 5, 2 }, out[1]:shape())

    local optimizer = core.optimizer(model, { kind = "sgd", lr = 0.1 })
    local first
    for _ = 1, 20 do
      local loss = (model:forward({ x }, 2, true)[2] - 1):square():mean()
      first = first or loss:item()
      model:zero_grad()
      loss:backward()
      optimizer:step(2)
    end
    local last = (model:forward({ x }, 2)[2] - 1):square():mean():item()
    assert.is_true(last < first / 10)
    assert.matches("input 'input' is missing", message(model.forward, model, {}))
    assert.matches("inputs should be 1 shape", message(core.model(graph).freeze, core.model(graph), {}))
  end)

  it("gives parameters and rows that outlive it", function()
    local model = core.model(graph):freeze { inputs = { { 3 } } }
    local parameters, out = model:parameters(), model:forward { core.ones(2, 3) }
    core.backward({ { value = out[1]:sum(), row = 1 }, { value = out[2]:sum(), row = 2 } }, 2)
    local rows = model:rows()
    assert.equal(2, #rows)
    local sum = 0
    for _, p in ipairs(parameters) do
      sum = sum + p.tensor:count()
      if p.name == "trunk.weight" then
        assert.equal(3, p.tasks)
      end
    end
    assert.equal(model:count(), sum)
    model = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_string(parameters[1].tensor:bytes())
    assert.is_string(rows:bytes())
  end)

  it("lists the layers that there are", function()
    local linear
    for _, t in ipairs(core.layer_types()) do
      linear = t.name == "linear" and t or linear
    end
    assert.same({ "in_features", "out_features", "bias" },
      { linear.options[1].name, linear.options[2].name, linear.options[3].name })
    assert.equal("width", linear.options[1].kind)
    assert.is_true(linear.options[2].required)
    assert.is_true(linear.options[3].default)
  end)

  it("says where its text is wrong", function()
    assert.matches("linearr", message(core.model, '{"type":"linearr"}'))
    assert.has_error(function()
      core.model "{"
    end)
  end)
end)

describe("arena", function()
  it("holds learned numbers that an optimizer steps", function()
    local arena = core.arena { { name = "s", shape = { 2 }, value = 0.5 }, { name = "t", shape = {} } }
    assert.equal(3, arena:count())
    local s
    for _, p in ipairs(arena:parameters()) do
      s = p.name == "s" and p.tensor or s
    end
    assert.same({ 0.5, 0.5 }, s:totable())
    local optimizer = core.optimizer(arena, { kind = "adam", lr = 0.1 })
    for _ = 1, 3 do
      arena:zero_grad();
      (s * s):sum():backward()
      optimizer:step(nil, 10)
    end
    assert.is_true(s:totable()[1] < 0.25)
    local m, v = optimizer:moments()
    assert.same(m:shape(), v:shape())
    assert.equal(3, optimizer:counts()[1])
    optimizer:set { lr = 0 }
    optimizer:counts { 7 }
    assert.equal(7, optimizer:counts()[1])
    assert.matches("unknown option 'lrr'", message(optimizer.set, optimizer, { lrr = 1 }))
    assert.matches("invalid option 'rms'", message(core.optimizer, arena, { kind = "rms" }))
    assert.matches("lr is fast", message(core.optimizer, arena, { lr = "fast" }))
  end)

  it("is kept alive by its optimizer", function()
    local optimizer = core.optimizer(core.arena { { name = "s", shape = { 2 } } }, { lr = 0.1 })
    collectgarbage()
    collectgarbage()
    optimizer:step()
    assert.equal(1, optimizer:counts()[1])
  end)
end)
