-- Policies made of others: imtl and crmogm.
local core = require "mtl.core"
local policy = require "mtl.policy"

local function near(expected, x)
  assert.equal(#expected, #x)
  for i = 1, #x do
    assert.near(expected[i], x[i], 1e-10)
  end
end

describe("imtl", function()
  it("weighs by e^s times imtl_g's weights of the scaled gradients", function()
    local w = policy.imtl():weights { gram = { { 1, 0 }, { 0, 1 } }, learned_values = { math.log(2), 0 } }
    near({ 2 / 3, 2 / 3 }, w) -- e^s g: lengths 2 and 1: w = 1/3, 2/3
    near({ 1 / 3, 2 / 3 }, policy.imtl():weights { gram = { { 4, 0 }, { 0, 1 } } })
    assert.same({ 0, 0 }, policy.imtl():learned(2))
    local total = policy.imtl():total { loss_tensors = { core.full({}, 3) }, index = { 1 }, learned = core.zeros(1) }
    assert.near(3, total:item(), 1e-6)
  end)
end)

describe("crmogm", function()
  it("smooths, and starts anew for a task that has just become active", function()
    local p = policy.crmogm({ policy.mgda() }):new()
    near({ 0.25, 0.75 }, p:weights { gram = { { 4, 1 }, { 1, 2 } } })
    near({ 0.275, 0.725 }, p:weights { gram = { { 1, 0 }, { 0, 1 } } })
    near({ 0.2975, 0.5 }, p:weights { gram = { { 1, 0 }, { 0, 1 } }, since = { 2, 0 } })
  end)

  it("takes over what the policy within needs, and keeps its state", function()
    local p = policy.crmogm({ policy.nash_mtl(), momentum = 0.5 }):new()
    assert.same({ "gram", "weighted", 1 }, { p.needs, p.heads, p.max_norm })
    local dwa = policy.crmogm({ policy.dwa() }):new()
    dwa:weights { losses = { 1, 2 } }
    assert.is_table(dwa.state.inner.tasks)
    local vac = policy.crmogm({ policy.gradvac { slices = "layer" } }):new()
    local one = { { 1, 0 }, { 0, 1 } }
    assert.same({ { 1, 1 }, { 1, 1 }, { 1, 1 } }, vac:weights { slices = { one, one, one } })
    for _, bad in ipairs { "imtl_l", "uncertainty" } do
      assert.has_error(function() return policy.crmogm { policy[bad]() } end)
    end
    assert.has_error(function() return policy.crmogm {} end)
    local own = { policy.custom(function() return { 1, 2 }, { 0, 3 } end, { needs = "gram" }) }
    assert.same({ 0, 3 }, (select(2, policy.crmogm(own):new():weights { gram = one })))
  end)
end)
