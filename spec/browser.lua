-- Opens reports in a real browser, by the DevTools protocol over a pipe: mtl lua spec/browser.lua. Exit status 77
-- where there is no Chromium. A page loads without an error and without a request, fits a screen of 375 pixels, and
-- shows what people wrote as text.
local core = require "mtl.core"
local program = dofile "spec/support/program.lua"

local function find()
  for _, name in ipairs { "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome" } do
    local pipe <close> = assert(io.popen("command -v " .. name))
    local path = pipe:read "l"
    if path then
      return path
    end
  end
  print "skipped: there is no Chromium"
  os.exit(77)
end

local chromium, folder = find(), program.folder()

local function mtl(...)
  local result = program.run(folder, { ... })
  assert(result.status == 0, result.err)
end

local function write(name, text)
  core.mkdir((folder .. "/" .. name):match "^(.*)/")
  program.write(folder .. "/" .. name, text)
end

-- ---- the browser ----

os.execute(("mkfifo '%s/to' '%s/from'"):format(folder, folder))
os.execute(("timeout 120 '%s' --headless --no-sandbox --disable-gpu --user-data-dir='%s/profile' "
  .. "--remote-debugging-pipe 3<'%s/to' 4>'%s/from' >/dev/null 2>&1 &"):format(chromium, folder, folder, folder))
local to, from = assert(io.open(folder .. "/to", "wb")), assert(io.open(folder .. "/from", "rb"))
to:setvbuf "no"

local last, session, events = 0, nil, {}

local function receive()
  local bytes = {}
  repeat
    bytes[#bytes + 1] = assert(from:read(1), "the browser has ended")
  until bytes[#bytes] == "\0"
  bytes[#bytes] = nil
  return core.json_decode(table.concat(bytes))
end

local function call(method, parameters)
  last = last + 1
  to:write(core.json_encode { id = last, method = method, sessionId = session, params = parameters or {} }, "\0")
  while true do
    local message = receive()
    if message.id == last then
      assert(not message.error, method .. ": " .. core.json_encode(message.error or {}))
      return message.result
    end
    events[#events + 1] = message
  end
end

local function evaluate(expression)
  local result = call("Runtime.evaluate", { expression = expression, returnByValue = true })
  assert(not result.exceptionDetails, expression)
  return result.result.value
end

local target = call("Target.createTarget", { url = "about:blank" }).targetId
session = call("Target.attachToTarget", { targetId = target, flatten = true }).sessionId
for _, domain in ipairs { "Network", "Log", "Runtime", "Page" } do
  call(domain .. ".enable")
end

-- ---- pages ----

-- Elements that end beyond the screen, but those within what scrolls by itself.
local BEYOND = [[
  [...document.body.querySelectorAll("*")].filter(e => !e.closest(".scroll, pre, svg")
    && e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 80)).join("\n") ]]

local function open(name, width, dark)
  events = {}
  call("Emulation.setDeviceMetricsOverride", { width = width, height = 800, deviceScaleFactor = 2,
    mobile = width < 500 })
  call("Emulation.setEmulatedMedia", { features = core.array { { name = "prefers-color-scheme",
    value = dark and "dark" or "light" } } })
  local address = "file://" .. folder .. "/" .. name
  call("Page.navigate", { url = address })
  repeat
    local loaded = evaluate "location.href + document.readyState" == address .. "complete"
  until loaded
  for _, event in ipairs(events) do
    local p = event.params
    if event.method == "Network.requestWillBeSent" then
      local url = p.request.url
      assert(url == address or url:find "^data:image/png", name .. " asks for " .. url:sub(1, 100))
    elseif event.method == "Log.entryAdded" then
      error(name .. ": " .. p.entry.text)
    elseif event.method == "Runtime.exceptionThrown" or event.method == "Runtime.consoleAPICalled" then
      error(name .. ": " .. core.json_encode(p))
    end
  end
  local scroll = evaluate "document.documentElement.scrollWidth"
  assert(scroll <= width, ("%s scrolls sideways: %d of %d pixels"):format(name, scroll, width))
  local beyond = evaluate(BEYOND)
  assert(beyond == "", name .. ": beyond the screen: " .. beyond)
  assert(evaluate "document.scripts.length" == 0, name .. " has a script")
  assert(evaluate "document.querySelectorAll('svg path[d^=M]').length" > 3, name .. " has no curves")
end

local function pictures()
  local n = evaluate "document.images.length"
  assert(evaluate "[...document.images].filter(i => i.naturalWidth == 0).length" == 0, "a picture does not show")
  return n
end

local evil = '<script>alert(1)</script><img src="http://127.0.0.1/x">' .. ("long"):rep(60)

local function evil_run()
  local task = evil:sub(1, 60)
  write("evil/recipe/r.lua", "</pre>" .. evil .. "\n" .. ("wide "):rep(100))
  write("evil/run.json", core.json_encode { format = require "mtl.folder".FORMAT, recipe = { name = evil,
    file = "r.lua", folder = evil }, seed = 1, device = "cpu", set = core.array {}, data = { dir = evil } })
  local list = { { kind = "stage", step = 0, stage = evil, tasks = core.array { task }, policy = evil } }
  for step = 1, 50 do
    list[step + 1] = { kind = "step", step = step, loss = 1 / step, lr = 1e-9, samples_per_s = 1e9,
      tasks = { [task] = { loss = 1 / step, kpi = 0.5, kpi_ema = 0.5, weight = 1e-7 * step } } }
  end
  list[52] = { kind = "diverged", step = 51, message = evil }
  for i, record in ipairs(list) do
    list[i] = core.json_encode(record) .. "\n"
  end
  write("evil/metrics.jsonl", table.concat(list))
end

write("pictures.lua", program.recipe {
  { "local x = mtl.rand(200, 4)", "local x = mtl.rand(200, 3, 6, 6)" },
  { "x:select(2, 1)", "x:reshape(200, 108):select(2, 1)" },
  { "nn.linear(4, 8)", "nn.flatten(), nn.linear(108, 8)" } })
write("plain.lua", program.recipe())
mtl("run", "pictures.lua", "--out", "pictures", "--quiet", "--set", "diagnose=1", "--set", "log_every=1")
mtl("run", "plain.lua", "--out", "plain", "--quiet")
mtl("report", "pictures", "plain", "-o", "both.html")
evil_run()
mtl("report", "evil", "--no-test")

for _, page in ipairs { { "pictures/report.html", 8 }, { "plain/report.html", 0 }, { "both.html", 8 },
  { "evil/report.html", 0 } } do
  for _, width in ipairs { 375, 1280 } do
    open(page[1], width, width == 375)
    assert(pictures() == page[2], page[1] .. " should have " .. page[2] .. " pictures")
  end
end
assert(evaluate "document.querySelector('h1').textContent.startsWith('<script>alert(1)')", "a name is not text")
open("plain/report.html", 375, false)
local light = evaluate "getComputedStyle(document.body).backgroundColor"
open("plain/report.html", 375, true)
assert(evaluate "getComputedStyle(document.body).backgroundColor" ~= light, "dark is as light")
to:write(core.json_encode { id = 0, method = "Browser.close" }, "\0")
from:read "a"
program.remove(folder)
print "4 pages, 375 and 1280 pixels wide: no errors, no requests"
