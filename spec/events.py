"""Reads what `mtl run --tensorboard` writes with TensorBoard itself: python3 spec/events.py PROGRAM.
Exit status 77 where TensorBoard is not installed."""
import json
import os
import subprocess
import sys
import tempfile

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    print("skipped: python3 has no tensorboard")
    sys.exit(77)

# A training that goes on after a kill: steps 7 to 9 were written, but the checkpoint is of step 6.
KILLED = """
local tensorboard = require "mtl.tensorboard"
local function steps(after, from, to)
  local t = tensorboard.open("tb", "killed", after)
  for step = from, to do
    t:add { kind = "step", step = step, loss = step + after / 100, lr = 1, tasks = { left = { loss = 1, kpi = 0.5 } } }
  end
end
steps(0, 1, 9)
steps(6, 7, 12)
"""


def load(folder):
    accumulator = EventAccumulator(folder)
    accumulator.Reload()
    return {tag: accumulator.Scalars(tag) for tag in accumulator.Tags()["scalars"]}


def check(condition, message):
    if not condition:
        sys.exit("failed: " + message)


program = os.path.abspath(sys.argv[1])
root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
with tempfile.TemporaryDirectory() as folder:
    run = [program, "run", os.path.join(root, "recipes", "toy.lua"), "--out", "run", "--quiet", "--tensorboard", "tb"]
    subprocess.run(run + ["--max-steps", "210"], cwd=folder, check=True)
    subprocess.run([program, "run", "--resume", "run", "--quiet", "--tensorboard", "tb"], cwd=folder, check=True)
    scalars = load(os.path.join(folder, "tb", "run"))
    with open(os.path.join(folder, "run", "metrics.jsonl")) as file:
        lines = [json.loads(line) for line in file]
    for tag, events in scalars.items():
        steps = [event.step for event in events]
        check(steps == sorted(set(steps)), f"{tag}: steps are double or out of order: {steps}")
    for line in lines:
        if line["kind"] not in ("step", "valid", "test"):
            continue
        between = "" if line["kind"] == "step" else line["kind"] + "/"
        for task, figures in line["tasks"].items():
            figures.update(figures.pop("metrics", {}))
            for key, value in figures.items():
                tag = f"{task}/{between}{key}"
                found = [event.value for event in scalars[tag] if event.step == line["step"]]
                check(len(found) == 1 and abs(found[0] - value) <= 1e-6 * max(1, abs(value)), f"{tag}: {found}, {value}")
    script = os.path.join(folder, "killed.lua")
    with open(script, "w") as file:
        file.write(KILLED)
    subprocess.run([program, "lua", script], cwd=folder, check=True)
    loss = load(os.path.join(folder, "tb", "killed"))["loss"]
    check([event.step for event in loss] == list(range(1, 13)), "steps after a kill are double")
    check(abs(loss[7].value - 8.06) < 1e-5, "the steps that were made again are not the last")
    print(f"{len(scalars)} tags, {len(lines)} lines: as TensorBoard reads them")
