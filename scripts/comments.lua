-- LDoc's filter (ldoc --filter comments.print): what the comments at the head of files say, as a Lua table for
-- scripts/manual.lua. It runs in whatever Lua LDoc does.
local function text(value) -- a tag that comes several times is a list
  value = type(value) == "table" and table.concat(value, "\n") or value
  return (value:gsub("%s+$", ""))
end

return {
  print = function(modules)
    print "return {"
    for _, module in ipairs(modules) do
      local family, name = module.file:match "([^/]+)/([^/]+)%.lua$"
      local fields = { family = family, name = name, summary = module.summary, text = module.description,
        usage = module.usage }
      for _, tag in ipairs { "formula", "scale", "when", "needs", "soft", "sample" } do
        fields[tag] = module.tags[tag]
      end
      print "{"
      for key, value in pairs(fields) do
        print(("%s = %q,"):format(key, text(value)))
      end
      print "},"
    end
    print "}"
  end,
}
