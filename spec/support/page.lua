--- A page of the manual, done as it says: blocks of Lua are written to the files that their first lines name, commands
-- are run, in their order. A block of `text` is what a command prints, one of `python` is for comparison: they are not
-- read.
local luassert = require "luassert"
local program = dofile "spec/support/program.lua"

local function blocks(file)
  local list, text, from = {}, program.read(file), 1
  while true do
    local first, last, kind, body = text:find("```(%l+)\n(.-)```", from)
    if not first then
      return list
    end
    local line = select(2, text:sub(1, first):gsub("\n", "")) + 1
    list[#list + 1], from = { kind = kind, body = body, line = line }, last + 1
  end
end

--- Defines a test for each block of a page. @param folder where they work; `it` is busted's, which only specs see
return function(file, folder, it)
  local mtl = assert(os.getenv "MTL_PROGRAM")
  for _, block in ipairs(blocks(file)) do
    if block.kind ~= "text" and block.kind ~= "python" then
      it("line " .. block.line, function()
        local name = block.kind == "lua" and assert(block.body:match "^%-%- file: (%S+)\n", "a file's name comes first")
        if name then
          program.write(folder .. "/" .. name, block.body)
          return
        end
        luassert.equal("sh", block.kind)
        local r = program.run(folder, { "-c", ("set -e\nmtl() { '%s' \"$@\"; }\n%s"):format(mtl, block.body) }, nil,
          "/bin/sh")
        luassert.equal("", r.err)
        luassert.equal(0, r.status)
        luassert.is_true(#r.out > 0 or block.body:find "%-%-quiet" ~= nil or block.body:find "make%-" ~= nil)
      end)
    end
  end
end
