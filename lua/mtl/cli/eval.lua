--- mtl eval RUN: KPIs and metrics of a run on a split of its data.
local core = require "mtl.core"
local args = require "mtl.cli.args"
local folder = require "mtl.folder"
local open = require "mtl.cli.open"
local text = require "mtl.cli.text"

return {
  name = "eval",
  summary = "KPIs and metrics of a run",
  usage = { "mtl eval RUN [OPTIONS]" },
  arguments = { "RUN" },
  options = {
    { name = "split", value = "SPLIT", read = args.choice("train", "valid", "test"),
      help = "train, valid or test (default)" },
    { name = "json", help = "print JSON" },
    { name = "details", help = "print JSON, in one line, with confusion matrices, points and the first rows as well" },
    open.options.data, open.options.device, open.options.threads, open.options.memory, open.options.trust,
  },
  run = function(options, rest)
    options.device = options.device or folder.info(rest[1]).device -- says first where there is no run
    local data = open.data_folder(options.data)
    open.confine(options)
    if options.threads then
      core.threads(options.threads)
    end
    local runs = require "mtl.run"
    local run = runs.load(rest[1], { trust = options.trust or false, data_dir = data,
      device = options.device })
    local split = options.split or "test"
    local watch = options.details and require "mtl.report.outcome".new() or nil
    local results = runs.evaluate(run, split, watch)
    if options.json or watch then
      text.say(core.json_encode({ recipe = run.info.recipe.name, seed = run.info.seed, split = split,
        step = run.at.step, epoch = run.at.epoch, tasks = results, details = watch and watch:plain() }, not watch))
    else
      text.say(table.concat(text.results(split, runs.training(run).recipe.tasks, results), "\n"))
    end
  end,
}
