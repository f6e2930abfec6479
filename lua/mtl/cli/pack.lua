--- mtl pack RECIPE -o F.mtl: one file to share.
local args = require "mtl.cli.args"
local open = require "mtl.cli.open"
local path = require "mtl.path"
local text = require "mtl.cli.text"

local function name(s)
  return s:find "^[%w_][%w_%-%.]*$" and s or nil, "letters, digits, '_', '-' and '.'"
end

local function words(s)
  return s ~= "" and #s <= 200 and utf8.len(s) and not s:find "%c" and s or nil, "a text of at most 200 characters"
end

local function bundle_name(s)
  return s:find "[^/]%.mtl$" and s or nil, "a name that ends with .mtl"
end

-- What others will have to have, or may want to know.
local function remarks(b, options)
  local outside, list = {}, {}
  for _, d in ipairs(b.manifest.data) do
    outside[#outside + 1] = d.root == "recipe" and not b:holds(d) and d.path or nil
  end
  if #outside > 0 then
    list[1] = ("not in it, only with their checksums: %s%s; --with-data packs them"):format(outside[1],
      #outside > 1 and (" and %d more data files"):format(#outside - 1) or "")
  end
  local r = b.manifest.results
  if not r then
    list[#list + 1] = "it claims no results; --results RUN adds them, and mtl verify can then retrain them"
  elseif #r.runs < 3 then
    list[#list + 1] = ("it has results of %d seed%s, and mtl verify takes at least 3"):format(#r.runs,
      #r.runs > 1 and "s" or "")
  end
  list[#list + 1] = not options.secret and "it is not signed; mtl keygen and --sign do that" or nil
  return list
end

return {
  name = "pack",
  summary = "make one file of a recipe, to share it",
  usage = { "mtl pack RECIPE -o F.mtl [OPTIONS]" },
  arguments = { "RECIPE" },
  options = {
    { name = "out", short = "o", value = "F.mtl", read = bundle_name, help = "the bundle (default: NAME.mtl)" },
    { name = "results", value = "DIR", many = true, read = args.path,
      help = "add the results of a run, or of the runs of this recipe in a folder (of mtl compare, too)" },
    { name = "weights", value = "RUN", read = args.path, help = "add what a run learned: its checkpoint" },
    { name = "with-data", help = "add the data files that lie below the recipe's folder" },
    { name = "name", value = "NAME", read = name, help = "name of the bundle (default: the recipe's)" },
    { name = "version", value = "TEXT", read = words, help = "version of the bundle" },
    { name = "author", value = "TEXT", read = words, help = "who made it" },
    { name = "license", value = "TEXT", read = words, help = "its license: MIT" },
    { name = "sign", value = "KEY", read = args.path, help = "sign it with a secret key of mtl keygen" },
    open.options.data, { name = "quiet", help = "print nothing but errors" },
    open.options.memory, open.options.trust,
  },
  notes = [[
It holds the recipe, the Lua files beside it that it requires, and a manifest: the declaration, the data files with
their SHA-256, results by seed with their intervals. The same files give the same bytes. docs/sharing.md says more.]],
  run = function(options, rest)
    options.data = open.data_folder(options.data)
    options.secret = options.sign and require "mtl.bundle.key".secret(options.sign)
    options.out = options.out or rest[1]:match "([^/]*)$":gsub("%.lua$", "") .. ".mtl"
    open.confine(options, { path.check((path.split(options.out)), "folder") })
    local b = require "mtl.bundle.pack".make(rest[1], options)
    if options.quiet then
      return
    end
    text.say(("%s: %d files, %s bytes"):format(text.clean(options.out), #b.list,
      text.count(require "mtl.core".stat(options.out).size)))
    for _, line in ipairs(remarks(b, options)) do
      text.say("  " .. text.clean(line))
    end
  end,
}
