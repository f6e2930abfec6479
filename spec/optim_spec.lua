local core = require "mtl.core"
local device = require "mtl.device".default()
local optim = require "mtl.optim"

local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

describe("optim", function()
  it("has PyTorch's defaults", function()
    assert.same({ kind = "adam", lr = 1e-3, weight_decay = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8 },
      optim.adam():settings())
    assert.equal(0.01, optim.adamw():settings().weight_decay)
    assert.same({ kind = "sgd", lr = 0.1, weight_decay = 0, momentum = 0.9, dampening = 0, nesterov = true },
      optim.sgd({ lr = 0.1, momentum = 0.9, nesterov = true }):settings())
  end)

  it("says what is wrong", function()
    assert.matches("optim_spec.lua:%d+: optim.adam: lr is %-0.001, which should be a number of at least 0",
      message(function() return (optim.adam { lr = -1e-3 }) end))
    assert.matches("lr is 'fast'", message(optim.adam, { lr = "fast" }))
    assert.matches("lr is nan", (message(optim.adam, { lr = 0 / 0 }):gsub("%-nan", "nan")))
    assert.matches("lr is inf", message(optim.adam, { lr = math.huge }))
    assert.matches("betas should be two", message(optim.adam, { betas = { 0.9 } }))
    assert.matches("betas.2 is 1,", message(optim.adam, { betas = { 0.9, 1 } }))
    assert.matches("nesterov needs", message(optim.sgd, { nesterov = true }))
    assert.matches("did you mean 'schedule'", message(optim.adam, { shedule = optim.cosine() }))
    assert.matches("schedule is 3, which should be a schedule", message(optim.adam, { schedule = 3 }))
    assert.matches("no optim 'adm'; did you mean 'adam'", message(function() return optim.adm end))
  end)

  it("stays at lr without a schedule", function()
    assert.equal(0.1, optim.sgd({ lr = 0.1 }):lr_at(0))
    assert.equal(0.1, optim.sgd({ lr = 0.1 }):lr_at(1000, 2000))
  end)

  it("warms up in a straight line", function()
    local o = optim.sgd { lr = 0.4, schedule = optim.constant { warmup = 4 } }
    for step, lr in ipairs { 0.1, 0.2, 0.3, 0.4, 0.4 } do
      assert.near(lr, o:lr_at(step - 1), 1e-12)
    end
  end)

  it("falls in steps, or by epochs", function()
    local o = optim.sgd { lr = 1, schedule = optim.step { every = 10, gamma = 0.5 } }
    assert.equal(1, o:lr_at(9))
    assert.equal(0.5, o:lr_at(10))
    assert.equal(0.25, o:lr_at(20))
    o = optim.sgd { lr = 1, schedule = optim.step { every_epochs = 2 } }
    assert.equal(1, o:lr_at(9, 100, 5))
    assert.near(0.1, o:lr_at(10, 100, 5), 1e-12)
    assert.matches("every_epochs needs", message(o.lr_at, o, 9, 100))
    assert.matches("give one of", message(optim.step))
  end)

  it("falls along a cosine", function()
    local o = optim.sgd { lr = 2, schedule = optim.cosine() }
    assert.equal(2, o:lr_at(0, 100))
    assert.near(1, o:lr_at(50, 100), 1e-12)
    assert.near(2 * 0.5 * (1 + math.cos(math.pi * 0.25)), o:lr_at(25, 100), 1e-12)
    assert.near(0, o:lr_at(100, 100), 1e-12)
    assert.near(0, o:lr_at(200, 100), 1e-12)
    o = optim.sgd { lr = 2, schedule = optim.cosine { warmup = 10, steps = 110, final = 0.5 } }
    assert.near(0.2, o:lr_at(0), 1e-12)
    assert.near(2, o:lr_at(10), 1e-12)
    assert.near(1.5, o:lr_at(60), 1e-12)
    assert.near(1, o:lr_at(110), 1e-12)
    o = optim.sgd { lr = 2, schedule = optim.cosine() }
    assert.matches("length of this stage is not known", message(o.lr_at, o, 5))
  end)
end)

-- As torch.nn.utils.clip_grad_norm_ (PyTorch 2.15).
describe("clipping", function()
  local function stepped(...)
    local arena = core.arena({ { name = "s", shape = { 4 }, value = 0 } }, device)
    local s = arena:parameters()[1].tensor
    local gradient = core.tensor { ... }:to(device);
    (s * gradient):sum():backward()
    core.optimizer(arena, { kind = "sgd", lr = 1 }):step(nil, 1)
    return s:totable()
  end

  it("brings down a norm that is larger than the root of the largest number", function()
    assert.same({ -0.5, -0.5, -0.5, -0.5 }, stepped(1e18, 1e18, 1e18, 1e18))
    assert.near(-1, stepped(1e19, 1, 1, 1)[1], 1e-6)
  end)

  it("leaves nothing beside an infinite gradient, and makes all of a NaN", function()
    local one, other = table.unpack(stepped(1 / 0, 3, 3, 3))
    assert.is_true(one ~= one and other == 0)
    for _, x in ipairs(stepped(3, 0 / 0, 3, 3)) do
      assert.is_true(x ~= x)
    end
  end)
end)
