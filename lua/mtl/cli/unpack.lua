--- mtl unpack F.mtl [-o DIR]: the files of a bundle, in a folder of their own.
local args = require "mtl.cli.args"
local core = require "mtl.core"
local open = require "mtl.cli.open"
local path = require "mtl.path"
local text = require "mtl.cli.text"

return {
  name = "unpack",
  summary = "the files of a bundle, in a folder",
  usage = { "mtl unpack F.mtl [-o DIR]" },
  arguments = { "F.mtl" },
  options = {
    { name = "out", short = "o", value = "DIR", read = args.path,
      help = "the folder, which should not be there yet (default: the bundle's name)" },
    open.options.signature,
    { name = "quiet", help = "print nothing but errors" },
  },
  notes = [[
The folder holds manifest.json and recipe/. Of a bundle with weights it is a run: mtl eval, mtl predict and mtl run
--init take it. The bundle is checked whole before anything is written; nothing is run.]],
  run = function(options, rest)
    local b = open.bundle(rest[1], options) or error(("'%s' is no bundle"):format(rest[1]), 0)
    local to = options.out or b.manifest.name
    core.catch_signals()
    b:unpack(to)
    if not options.quiet then
      text.say(("%s: the recipe is %s%s"):format(text.clean(to), text.clean(path.join(to, "recipe/"
        .. b.manifest.recipe)), b.by_name["run.json"] and "; with its weights the folder is a run" or ""))
    end
  end,
}
