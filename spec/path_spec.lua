local core = require "mtl.core"

local function message(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  return e
end

local function write(p, text)
  local file = assert(io.open(p, "w"))
  file:write(text)
  file:close()
end

describe("path", function()
  local path, root

  -- What is allowed belongs to the process: each test has a module of its own.
  before_each(function()
    local kept = package.loaded["mtl.path"]
    package.loaded["mtl.path"] = nil
    path = require "mtl.path"
    package.loaded["mtl.path"] = kept
    root = core.realpath(os.getenv "TMPDIR" or "/tmp") .. "/mtl-path-spec-" .. core.getpid()
    core.mkdir(root .. "/in/deep")
    core.mkdir(root .. "/inside-out")
    write(root .. "/in/a.txt", "a")
    write(root .. "/secret.txt", "s")
    os.execute(("ln -sf %s/secret.txt %s/in/link; ln -sf %s/nowhere %s/in/dangling; ln -sfn .. %s/in/up")
      :format(root, root, root, root, root))
  end)

  after_each(function()
    os.execute("rm -r " .. root)
  end)

  it("gives regular files as absolute paths without links", function()
    assert.equal(root .. "/in/a.txt", path.check("in/a.txt", "read", root))
    assert.equal(root .. "/secret.txt", path.check(root .. "/in/link", "read"))
    assert.equal(root .. "/in/deep", path.check("in/deep", "folder", root))
    assert.matches("is a folder, which should be a file", message(path.check, root .. "/in", "read"))
    assert.matches("should be a folder", message(path.check, root .. "/in/a.txt", "folder"))
    assert.matches("device or pipe", message(path.check, "/dev/zero", "read"))
    assert.matches("No such file", message(path.check, root .. "/in/b.txt", "read"))
    assert.matches("should be a text", message(path.check, 3, "read"))
    assert.matches("should be a text", message(path.check, "a\0b", "read"))
  end)

  it("keeps a confined recipe within its folders", function()
    path.allow(root .. "/in")
    path.confine()
    assert.equal(root .. "/in/a.txt", path.check("a.txt", "read", root .. "/in"))
    assert.equal(root .. "/in/a.txt", path.check("deep/../a.txt", "read", root .. "/in"))
    for _, p in ipairs { "../secret.txt", "link", "up/secret.txt", root .. "/secret.txt", "/etc/passwd", "/no/such" } do
      assert.matches("outside of the folders", message(path.check, p, "read", root .. "/in"))
    end
    assert.matches("outside", message(path.check, root .. "/inside-out", "folder"))
    assert.matches("--trust", message(path.check, "/etc/passwd", "read"), 1, true)
  end)

  it("lets it write only where that is allowed, also what does not exist yet", function()
    path.allow(root .. "/inside-out")
    path.allow(root .. "/in", true)
    path.confine()
    assert.matches("may not write files; run with --trust", message(path.check, root .. "/inside-out/x", "write"), 1,
      true)
    assert.equal(root .. "/in/new/run", path.check("new/run", "write", root .. "/in"))
    assert.matches("outside", message(path.check, "../new", "write", root .. "/in"))
    assert.matches("outside", message(path.check, "up/new", "write", root .. "/in"))
    assert.has_error(function()
      path.check("dangling", "write", root .. "/in")
    end)
    assert.has_error(function()
      path.check("new/../../x", "write", root .. "/in")
    end)
  end)

  it("splits and joins", function()
    assert.same({ "a/b", "c" }, { path.split "a/b/c" })
    assert.same({ ".", "c" }, { path.split "c" })
    assert.same({ "/", "c" }, { path.split "/c" })
    assert.equal("a/b", path.join("a/", "b"))
    assert.equal("/b", path.join("a", "/b"))
    assert.is_false(path.below("/a/bc", "/a/b"))
    assert.is_true(path.below("/a/b/c", "/a/b"))
  end)
end)
