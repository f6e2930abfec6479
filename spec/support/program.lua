--- Runs the program mtl (MTL_PROGRAM) for specs, in a folder of its own.
local core = require "mtl.core"

local program = {}

local function quoted(s)
  return "'" .. s:gsub("'", [['\'']]) .. "'"
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

--- A folder for files of a spec; remove takes it away.
function program.folder()
  local path = os.tmpname()
  os.remove(path)
  core.mkdir(path)
  return path
end

function program.remove(folder)
  os.execute("rm -rf " .. quoted(folder))
end

function program.write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

program.read = read

--- Runs mtl with these arguments in `folder`. @param before shell words that come first, as "ulimit -f 8;"
-- @param other another program
-- @return { status =, out =, err = }
function program.run(folder, arguments, before, other)
  local path = other or assert(os.getenv "MTL_PROGRAM", "MTL_PROGRAM should name the program mtl")
  local words = { quoted(path) }
  for i, a in ipairs(arguments) do
    words[i + 1] = quoted(a)
  end
  local out, err = os.tmpname(), os.tmpname()
  local _, how, code = os.execute(("cd %s; %s %s >%s 2>%s </dev/null"):format(quoted(folder), before or "",
    table.concat(words, " "), out, err))
  local result = { status = how == "exit" and code or 128 + code, out = read(out), err = read(err) }
  os.remove(out)
  os.remove(err)
  return result
end

--- A recipe of two tasks on 200 made-up rows, as text; each { from, to } of `changes` is put in place.
function program.recipe(changes)
  local text = [[
local mtl = require "mtl"
local nn, loss, kpi, policy, optim, when = mtl.nn, mtl.loss, mtl.kpi, mtl.policy, mtl.optim, mtl.when
mtl.manual_seed(1)
local x = mtl.rand(200, 4)
local first = x:select(2, 1)
return mtl.recipe {
  name = "spec",
  data = mtl.data.tensors {
    inputs = x, targets = { left = mtl.gt(first, 0.5):cast "int32", right = first * 2 }, batch = 20,
  },
  trunk = nn.sequential { nn.linear(4, 8), nn.tanh() },
  tasks = {
    { name = "left", head = nn.linear(8, 2), loss = loss.cross_entropy(), kpi = kpi.accuracy() },
    { name = "right", head = nn.linear(8, 1), loss = loss.mse(), kpi = kpi.r2() },
  },
  optimizer = optim.sgd { lr = 0.1 },
  stages = {
    { name = "left first", tasks = { "left" }, policy = policy.uniform(), ends = when.epochs(1) },
    { name = "both", tasks = { "left", "right" }, policy = policy.focal { gamma = 2 }, ends = when.epochs(2) },
  },
}
]]
  for _, change in ipairs(changes or {}) do
    local first, last = text:find(change[1], 1, true)
    assert(first, change[1])
    text = text:sub(1, first - 1) .. change[2] .. text:sub(last + 1)
  end
  return text
end

return program
