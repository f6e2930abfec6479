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
