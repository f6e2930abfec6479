--- mtl keygen NAME: a pair of keys that sign bundles, and say who signed them.
local args = require "mtl.cli.args"
local key = require "mtl.bundle.key"
local text = require "mtl.cli.text"

return {
  name = "keygen",
  summary = "make a pair of keys to sign bundles with",
  usage = { "mtl keygen NAME" },
  arguments = { "NAME" },
  notes = [[
NAME.key is the secret key, for mtl pack --sign: keep it to yourself. NAME.pub is the public one: give it to those who
should know your bundles, for --require-signature. Ed25519.]],
  run = function(_, rest)
    local name, should = args.path(rest[1])
    local public = key.new(name or error("keygen: NAME should be " .. should, 0))
    text.say(("%s.key is the secret key: keep it to yourself"):format(text.clean(name)),
      ("%s.pub is the public one: %s"):format(text.clean(name), public))
  end,
}
