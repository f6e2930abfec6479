--- Sharing a recipe: pack, show, check, run, verify, unpack, sign.
local core = require "mtl.core"
local made = dofile "spec/support/bundle.lua"
local program = dofile "spec/support/program.lua"

describe("a bundle", function()
  local folder

  local function mtl(...)
    local r = program.run(folder, { ... })
    assert.equal("", r.err)
    assert.equal(0, r.status)
    return r.out
  end
  local function fails(says, ...)
    local r = program.run(folder, { ... })
    assert.equal(1, r.status, r.err .. r.out)
    assert.truthy(r.err:find(says, 1, true), ("%q should say %q"):format(r.err, says))
    assert.equal(1, select(2, r.err:gsub("\n", "")), r.err)
  end
  local function at(name)
    return folder .. "/" .. name
  end
  local function write(name, text)
    program.write(at(name), text)
  end
  local function read(name)
    return program.read(at(name))
  end
  local function json(text)
    return core.json_decode(text)
  end
  local function has(text, part)
    assert.truthy(text:find(part, 1, true), ("%q should hold %q"):format(text, part))
  end

  -- One folder with three runs of one recipe, which requires a file beside it.
  setup(function()
    folder = program.folder()
    core.mkdir(at "lib")
    write("lib/rate.lua", "return 0.1\n")
    write("recipe.lua", program.recipe { { "lr = 0.1", 'lr = require "lib.rate"' } })
    for seed = 1, 3 do
      mtl("run", "recipe.lua", "--seed", tostring(seed), "--out", "runs/" .. seed, "--quiet")
    end
    mtl("pack", "recipe.lua", "-o", "plain.mtl", "--quiet")
    mtl("pack", "recipe.lua", "-o", "full.mtl", "--results", "runs", "--weights", "runs/2", "--version", "1.2",
      "--author", "Ada Ö.", "--license", "MIT", "--quiet")
    mtl("keygen", "ada")
    mtl("keygen", "bob")
    mtl("pack", "recipe.lua", "-o", "signed.mtl", "--sign", "ada.key", "--quiet")
  end)
  teardown(function()
    program.remove(folder)
  end)

  describe("is packed", function()
    it("with the recipe, what it requires, and a manifest", function()
      local m = json(mtl("show", "full.mtl", "--json"))
      assert.equal("spec", m.name)
      assert.equal("1.2", m.version)
      assert.equal("Ada Ö.", m.author)
      assert.equal("MIT", m.license)
      assert.equal(core.VERSION, m.mtl)
      assert.equal("recipe.lua", m.recipe)
      local names = {}
      for i, f in ipairs(m.files) do
        names[i] = f.name
      end
      assert.same({ "recipe/recipe.lua", "recipe/lib/rate.lua", "run.json", "summary.json", "checkpoint.safetensors" },
        names)
      assert.equal(core.sha256(read "recipe.lua"), m.files[1].sha256)
      local d = m.declaration
      assert.equal("loss.cross_entropy", d.tasks[1].loss.type)
      assert.equal("policy.focal", d.stages[2].policy.type)
      assert.equal(0.1, d.optimizer.lr)
      assert.equal("tensor float32 [200, 4]", d.data.inputs)
    end)

    it("to the same bytes, whenever and wherever", function()
      core.mkdir(at "elsewhere")
      core.mkdir(at "elsewhere/lib")
      write("elsewhere/recipe.lua", read "recipe.lua")
      write("elsewhere/lib/rate.lua", read "lib/rate.lua")
      os.execute(("touch -t 200001010000 '%s'; cp -r '%s' '%s'"):format(at "elsewhere/recipe.lua", at "runs",
        at "elsewhere/runs"))
      local r = program.run(at "elsewhere", { "pack", "recipe.lua", "-o", "full.mtl", "--results", "runs", "--weights",
        "runs/2", "--version", "1.2", "--author", "Ada Ö.", "--license", "MIT" }, "TZ=Asia/Tokyo umask 077;")
      assert.equal("", r.err)
      assert.is_true(read "full.mtl" == read "elsewhere/full.mtl")
      assert.falsy(read("full.mtl"):find(folder, 1, true))
    end)

    it("with results by seed, means and intervals", function()
      local r = json(mtl("show", "full.mtl", "--json")).results
      assert.equal(3, #r.runs)
      local sum = 0
      for seed = 1, 3 do
        local test = json(read("runs/" .. seed .. "/summary.json")).test
        assert.equal(seed, r.runs[seed].seed)
        assert.equal(test.left.kpi, r.runs[seed].test.left.kpi)
        sum = sum + test.left.kpi
      end
      assert.equal("left", r.figures[1].task)
      assert.equal("kpi", r.figures[1].name)
      assert.near(sum / 3, r.figures[1].mean, 1e-12)
      assert.near(4.302653 * r.figures[1].sd / math.sqrt(3), r.figures[1].half, 1e-6)
    end)

    it("only where all is as it should be", function()
      fails("ends with .mtl", "pack", "recipe.lua", "-o", "recipe.lua")
      fails("nowhere", "pack", "recipe.lua", "-o", "x.mtl", "--results", "nowhere")
      fails("where the secret one is", "pack", "recipe.lua", "-o", "x.mtl", "--sign", "ada.pub")
      fails("letters", "pack", "recipe.lua", "-o", "x.mtl", "--name", "a/b")
      mtl("run", "recipe.lua", "--out", "odd/set", "--set", "optimizer.lr=0.01", "--quiet")
      fails("--set optimizer.lr=0.01", "pack", "recipe.lua", "-o", "x.mtl", "--results", "odd/set")
      fails("no finished run", "pack", "recipe.lua", "-o", "x.mtl", "--results", "odd")
      mtl("run", "recipe.lua", "--out", "odd/short", "--max-steps", "5", "--quiet")
      fails("--max-steps", "pack", "recipe.lua", "-o", "x.mtl", "--results", "odd/short")
      mtl("run", "recipe.lua", "--out", "odd/init", "--init", "runs/1", "--quiet")
      fails("--init", "pack", "recipe.lua", "-o", "x.mtl", "--results", "odd/init")
      fails("two runs have seed 1", "pack", "recipe.lua", "-o", "x.mtl", "--results", "runs", "--results", "other")
      fails("another recipe.lua", "pack", "other/recipe.lua", "-o", "x.mtl", "--results", "runs/1")
      fails("another recipe.lua", "pack", "other/recipe.lua", "-o", "x.mtl", "--weights", "runs/1")
      assert.is_nil(core.stat(at "x.mtl"))
    end)
    setup(function() -- a run with another's seed, and a recipe of the same name
      core.mkdir(at "other")
      write("other/recipe.lua", program.recipe())
      os.execute(("cp -r '%s' '%s'; sed -i 's/\"loss\": /\"loss\": 1/' '%s'"):format(at "runs/1", at "other/run",
        at "other/run/summary.json"))
    end)

    it("with a diverged run named, not left out", function()
      mtl("run", "recipe.lua", "--out", "bad/1", "--quiet")
      write("bad/1/metrics.jsonl", '{"kind":"diverged","step":1}\n')
      core.remove(at "bad/1/summary.json")
      fails("diverged", "pack", "recipe.lua", "-o", "x.mtl", "--results", "bad")
    end)
  end)

  describe("is shown", function()
    it("with what it claims", function()
      local said = mtl("show", "full.mtl")
      for _, part in ipairs {
        "spec 1.2", "Ada Ö.", "MIT", "nobody", "left, right", "left first, both", "weights     yes",
        "recipe/lib/rate.lua", "seeds 1, 2, 3", "no name that the sandbox denies" } do
        has(said, part)
      end
    end)

    it("with the names that the sandbox denies, running nothing", function()
      local entries = made.entries()
      entries[2].data = [==[
-- io.popen in a comment; "os.exit" in a text; mtl.io.read_png and x.debug are fields
local s = "os.remove(1) \" io" .. 'debug' .. [[ dofile ]] --[[ loadfile ]]
local t = os.time() + string.format("%d", 1)
os.execute("touch ran")
local f = load; local d = debug.getinfo
local io = mtl.io
io.read_png()
string.dump(f)
]==]
      local list = { entries[2] }
      entries[1].data = core.json_encode(made.manifest(list))
      write("denied.mtl", made.zip.write(entries))
      local said = mtl("show", "denied.mtl")
      for _, part in ipairs { "recipe.lua:4 os.execute", "recipe.lua:5 load", "recipe.lua:5 debug.getinfo",
        "recipe.lua:7 io.read_png (also a local there)", "recipe.lua:8 string.dump" } do
        has(said:gsub(" +", " "), part)
      end
      for _, part in ipairs { "popen", "os.exit", "os.remove", "dofile", "loadfile", "os.time", "x.debug" } do
        assert.falsy(said:find(part, 1, true), said)
      end
      assert.is_nil(core.stat(at "ran"))
    end)

    it("without what would change a terminal", function()
      write("odd.mtl", made.zip.write(made.entries({}, { author = "a\27[31mb\nc\194\155d", version = "\7" })))
      local said = mtl("show", "odd.mtl") .. mtl("show", "odd.mtl", "--json")
      assert.falsy(said:find "[\0-\9\11-\31\127]")
      assert.falsy(said:find "\194\155")
    end)
  end)

  describe("is run", function()
    it("as its recipe is", function()
      mtl("run", "full.mtl", "--seed", "2", "--out", "again", "--quiet")
      assert.equal(json(read "runs/2/summary.json").test.left.loss, json(read "again/summary.json").test.left.loss)
      assert.equal(read "lib/rate.lua", read "again/recipe/lib/rate.lua")
      assert.equal("recipe", json(read "again/run.json").recipe.folder)
      os.rename(at "again", at "moved") -- it needs nothing but its own folder
      has(mtl("eval", "moved"), "left")
      fails("exists", "run", "full.mtl", "--out", "moved")
    end)

    it("into a folder named for it and its seed", function()
      core.mkdir(at "fresh")
      local r = program.run(at "fresh", { "run", "../plain.mtl", "--seed", "5", "--quiet" })
      assert.equal("", r.err)
      local names = core.listdir(at "fresh/runs")
      assert.equal(1, #names)
      assert.matches("^spec%-%d+%-%d+%-5$", names[1])
    end)

    it("and gone on with", function()
      mtl("run", "plain.mtl", "--seed", "3", "--out", "part", "--max-steps", "5", "--quiet")
      mtl("run", "plain.mtl", "--seed", "3", "--out", "part", "--resume", "--quiet")
      assert.equal(json(read "runs/3/summary.json").test.left.loss, json(read "part/summary.json").test.left.loss)
      write("another.mtl", made.zip.write(made.entries()))
      fails("another recipe.lua", "run", "another.mtl", "--out", "part", "--resume")
    end)

    it("confined, unless it is trusted", function()
      local entries = made.entries()
      entries[2].data = "io.open('trusted', 'w'):close()\n" .. made.recipe
      entries[1].data = core.json_encode(made.manifest { entries[2] })
      write("wild.mtl", made.zip.write(entries))
      fails("io.open", "run", "wild.mtl", "--out", "wild")
      assert.is_nil(core.stat(at "wild"))
      assert.is_nil(core.stat(at "trusted"))
      mtl("run", "wild.mtl", "--out", "wild", "--trust", "--quiet")
      assert.is_truthy(core.stat(at "trusted"))
    end)

    it("and leaves nothing where it cannot be", function()
      local before = core.listdir(folder)
      fails("nowhere", "run", "full.mtl", "--out", "none", "--set", "nowhere=1")
      fails("nowhere", "check", "full.mtl", "--set", "nowhere=1")
      assert.same(before, core.listdir(folder))
    end)

    it("or checked, leaving nothing", function()
      local before, t = core.listdir(folder), at "tmp"
      core.mkdir(t)
      local r = program.run(folder, { "check", "full.mtl" }, "TMPDIR=" .. t)
      has(r.out, "Nothing is wrong.")
      assert.same({}, core.listdir(t))
      core.remove(t)
      assert.same(before, core.listdir(folder))
    end)

    it("by mtl run and mtl check only", function()
      fails("mtl unpack", "compare", "full.mtl", "--policies", "focal")
      fails("mtl unpack", "run", "recipe.lua", "--init", "full.mtl")
      fails("no bundle", "unpack", "recipe.lua")
      fails("no bundle", "run", "recipe.lua", "--require-signature", "ada.pub")
    end)
  end)

  describe("is unpacked", function()
    it("into a run that predicts, evaluates and can be started from", function()
      mtl("unpack", "full.mtl", "-o", "out")
      assert.same({ "checkpoint.safetensors", "manifest.json", "recipe", "run.json", "summary.json" },
        core.listdir(at "out"))
      assert.equal(read "recipe.lua", read "out/recipe/recipe.lua")
      assert.is_true(read "runs/2/checkpoint.safetensors" == read "out/checkpoint.safetensors")
      assert.equal(mtl("eval", "runs/2"), mtl("eval", "out"))
      has(mtl("runs", "out"), "finished")
      mtl("run", "recipe.lua", "--init", "out", "--out", "tuned", "--max-steps", "2", "--quiet")
      fails("exists", "unpack", "full.mtl", "-o", "out")
      assert.falsy(read("out/run.json"):find "host")
    end)

    it("to its name unless told", function()
      mtl("unpack", "plain.mtl", "--quiet")
      assert.equal(read "recipe.lua", read "spec/recipe/recipe.lua")
    end)
  end)

  describe("is verified", function()
    it("by runs with its seeds, which stay", function()
      local said = mtl("verify", "full.mtl", "--jobs", "2", "-o", "verified")
      has(said, "every figure of every seed is the same")
      assert.same({ "seed-1", "seed-2", "seed-3" }, core.listdir(at "verified/runs"))
      local before = read "verified/runs/seed-1/summary.json"
      mtl("verify", "full.mtl", "-o", "verified", "--quiet")
      assert.equal(before, read "verified/runs/seed-1/summary.json")
    end)

    it("and refused where a mean lies outside", function()
      local b = require "mtl.bundle".open(at "full.mtl")
      local runs = b.manifest.results.runs
      for _, run in ipairs(runs) do
        run.test.left.loss = run.test.left.loss * 100
      end
      local entries = made.entries({ { name = "recipe/lib/rate.lua", data = read "lib/rate.lua" } })
      entries[2].data = read "recipe.lua"
      entries[1].data = core.json_encode(made.manifest({ entries[2], entries[3] },
        { results = require "mtl.bundle.results".claim(runs) }))
      write("lies.mtl", made.zip.write(entries))
      os.execute(("mkdir '%s'; cp -r '%s' '%s'"):format(at "lies", at "verified/runs", at "lies/runs"))
      local r = program.run(folder, { "verify", "lies.mtl", "-o", "lies" })
      assert.equal(1, r.status)
      has(r.out, "OUTSIDE")
      has(r.err, "not verified: 1 of 4 packed means lie outside of the new intervals: left loss")
    end)

    it("only with results of three seeds", function()
      fails("no results", "verify", "plain.mtl")
      mtl("pack", "recipe.lua", "-o", "two.mtl", "--results", "runs/1", "--results", "runs/2", "--quiet")
      fails("2 seeds", "verify", "two.mtl")
      mtl("pack", "recipe.lua", "-o", "one.mtl", "--results", "runs/1", "--quiet")
      fails("results of 1 seed,", "verify", "one.mtl")
    end)
  end)

  describe("is signed", function()
    it("by a key that only its owner reads, and shown so", function()
      local public = assert(read("ada.pub"):match "^mtl public key: (%x+)\n$")
      has(mtl("show", "signed.mtl"), public .. " (the signature is good)")
      local mode <close> = io.popen(("stat -c %%a '%s'"):format(at "ada.key"))
      assert.equal("600", mode:read())
      fails("exists", "keygen", "ada")
    end)

    it("and run only so, where that is asked for", function()
      local public = read("ada.pub"):match "(%x+)\n$"
      for _, key in ipairs { "ada.pub", public } do
        mtl("check", "signed.mtl", "--require-signature", key)
      end
      mtl("run", "signed.mtl", "--require-signature", "ada.pub", "--out", "from-ada", "--quiet")
      fails("it is signed by " .. public, "run", "signed.mtl", "--require-signature", "bob.pub", "--out", "never")
      fails("not signed", "run", "plain.mtl", "--require-signature", "ada.pub", "--out", "never")
      fails("secret key", "run", "signed.mtl", "--require-signature", "ada.key", "--out", "never")
      fails("not signed, only bundles are", "run", "--resume", "from-ada", "--require-signature", "ada.pub")
      for _, command in ipairs { "unpack", "verify", "show" } do
        fails("it is signed by " .. public, command, "signed.mtl", "--require-signature", "bob.pub")
      end
      assert.is_nil(core.stat(at "never"))
    end)
  end)

  describe("of data", function()
    local recipe = program.recipe { { [[mtl.data.tensors {
    inputs = x, targets = { left = mtl.gt(first, 0.5):cast "int32", right = first * 2 }, batch = 20,
  }]], [[mtl.data.csv {
    path = "tables/data.csv", inputs = { "a", "b" }, targets = { left = "c", right = "d" }, batch = 5,
  }]] }, { "nn.linear(4, 8)", "nn.linear(2, 8)" } }
    setup(function()
      local rows = { "a,b,c,d" }
      for i = 1, 60 do
        rows[i + 1] = ("%d,%d,%s,%g"):format(i, 60 - i, i % 2 == 0 and "even" or "odd", i / 60)
      end
      core.mkdir(at "csv")
      core.mkdir(at "csv/tables")
      write("csv/recipe.lua", recipe)
      write("csv/tables/data.csv", table.concat(rows, "\n") .. "\n")
      has(mtl("pack", "csv/recipe.lua", "-o", "csv.mtl"), "tables/data.csv; --with-data")
      mtl("pack", "csv/recipe.lua", "-o", "whole.mtl", "--with-data")
    end)

    it("lists them with checksums", function()
      local m = json(mtl("show", "csv.mtl", "--json"))
      assert.same({ { root = "recipe", path = "tables/data.csv", bytes = #read "csv/tables/data.csv",
        sha256 = core.sha256(read "csv/tables/data.csv") } }, m.data)
      has(mtl("show", "csv.mtl"), "beside the bundle")
      has(mtl("show", "whole.mtl"), "in the bundle")
    end)

    it("takes them from beside it, and only those", function()
      core.mkdir(at "there")
      write("there/csv.mtl", read "csv.mtl")
      fails("put the data beside the bundle", "run", "there/csv.mtl", "--out", "never")
      os.execute(("cp -r '%s' '%s'"):format(at "csv/tables", at "there/tables"))
      mtl("run", "there/csv.mtl", "--out", "trained", "--quiet")
      has(mtl("eval", "trained"), "left")
      has(mtl("check", "there/csv.mtl"), "Nothing is wrong.")
      write("there/tables/data.csv", (read("csv/tables/data.csv"):gsub("30,30", "30,31")))
      for _, command in ipairs { "run", "check" } do
        fails("the data differ: 'tables/data.csv'", command, "there/csv.mtl")
      end
      fails("the data differ", "run", "there/csv.mtl", "--out", "trained", "--resume")
      assert.is_nil(core.stat(at "never"))
    end)

    it("carries them where they were packed", function()
      core.mkdir(at "alone")
      write("alone/whole.mtl", read "whole.mtl")
      local r = program.run(at "alone", { "run", "whole.mtl", "--out", "run", "--quiet" })
      assert.equal("", r.err)
      os.rename(at "alone/run", at "carried")
      has(mtl("eval", "carried"), "left")
      has(mtl("check", "alone/whole.mtl"), "Nothing is wrong.")
    end)

    it("of mtl's own names those that it reads", function()
      write("diamonds.lua", program.read "recipes/diamonds.lua")
      mtl("pack", "diamonds.lua", "-o", "diamonds.mtl", "--quiet")
      local m = json(mtl("show", "diamonds.mtl", "--json"))
      assert.equal("mtl", m.data[1].root)
      assert.equal("diamonds/diamonds.csv.gz", m.data[1].path)
    end)

    it("refuses links, which it could not keep, and files that others will not have", function()
      os.execute(("mv '%s' '%s'; ln -s real.csv '%s'"):format(at "csv/tables/data.csv", at "csv/tables/real.csv",
        at "csv/tables/data.csv"))
      fails("is a link", "pack", "csv/recipe.lua", "-o", "link.mtl")
      write("csv/away.lua", (recipe:gsub('path = "tables/data.csv"', ('path = "%s"'):format(at "away.csv"))))
      os.rename(at "csv/tables/real.csv", at "away.csv")
      fails("others will not have", "pack", "csv/away.lua", "-o", "away.mtl", "--trust")
      mtl("pack", "csv/away.lua", "-o", "away.mtl", "--data", folder, "--quiet")
      fails("--data DIR", "check", "away.mtl")
      assert.is_nil(core.stat(at "link.mtl"))
    end)
  end)
end)
