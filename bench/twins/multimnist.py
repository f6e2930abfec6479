"""The PyTorch twin of recipes/multimnist.lua: the same model, stages, policy and optimizer, written as one would in
eager PyTorch. The data, and for --losses the initial weights and the samples' order, come from a file that mtl writes.

    python bench/twins/multimnist.py --data FILE.safetensors --losses 50 [--double]
    python bench/twins/multimnist.py --data FILE.safetensors --seeds 10
    python bench/twins/multimnist.py --data FILE.safetensors --time 200 --threads 2

Each prints one line of JSON. Tensors of FILE: {train,valid,test}.input [N,1,28,28] float32, .left and .right [N] int32;
the model's parameters by PyTorch's names; order [epochs,N] int32.
"""

import argparse
import json
import math
import statistics
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

BATCH = 256
# tasks, epochs, weighting: the stages of the recipe
STAGES = [(["left"], 1, "uniform"), (["left", "right"], 9, "focal")]
GAMMA, MOMENTUM, FLOOR = 2.0, 0.9, 0.01


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 10, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(10, 20, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(320, 50), nn.ReLU(),
        )  # fmt: skip
        self.heads = nn.ModuleDict({"left": nn.Linear(50, 10), "right": nn.Linear(50, 10)})

    def forward(self, x, tasks):
        shared = self.trunk(x)
        return {task: self.heads[task](shared) for task in tasks}


class Weighting:
    """Focal weights of smoothed KPIs, normalised to a sum of T; uniform weights keep the averages up to date too."""

    def __init__(self):
        self.kpis = {}

    def weights(self, kind, kpis):
        for task, kpi in kpis.items():
            self.kpis[task] = MOMENTUM * self.kpis[task] + (1 - MOMENTUM) * kpi if task in self.kpis else kpi
        if kind == "uniform":
            return {task: 1.0 for task in kpis}
        focal = {}
        for task in kpis:
            k = min(max(self.kpis[task], FLOOR), 1 - 1e-6)
            focal[task] = -((1 - k) ** GAMMA) * math.log(k)
        scale = len(focal) / sum(focal.values())
        return {task: scale * weight for task, weight in focal.items()}


def train_step(model, optimizer, weighting, kind, x, targets):
    outputs = model(x, targets)
    losses = {task: F.cross_entropy(outputs[task], y) for task, y in targets.items()}
    kpis = {task: (outputs[task].argmax(1) == y).float().mean().item() for task, y in targets.items()}
    weights = weighting.weights(kind, kpis)
    total = sum(weights[task] * losses[task] for task in losses)
    optimizer.zero_grad()  # to None: Adam neither updates nor counts what this step did not reach
    total.backward()
    optimizer.step()
    return total, losses


def training(model, train, orders):
    """Trains through the stages, an epoch for each order of the samples, and yields total and losses of each step."""
    optimizer, weighting, orders = torch.optim.Adam(model.parameters(), lr=1e-3), Weighting(), iter(orders)
    for tasks, epochs, kind in STAGES:
        for _ in range(epochs):
            for rows in next(orders).split(BATCH):
                targets = {task: train[task][rows] for task in tasks}
                yield train_step(model, optimizer, weighting, kind, train["input"][rows], targets)


@torch.no_grad()
def accuracies(model, split):
    outputs = model(split["input"], ["left", "right"])
    return {task: (output.argmax(1) == split[task]).double().mean().item() for task, output in outputs.items()}


def run_losses(splits, parameters, order, count, double):
    """With `double` the same training in float64: what float32 does not agree on here is rounding, grown by training."""
    model = Model()
    if double:
        model.double()
        splits["train"]["input"] = splits["train"]["input"].double()
    model.load_state_dict(parameters)
    out = {"total": [], "left": [], "right": []}  # null where a task is not active
    for total, losses in training(model, splits["train"], order):
        out["total"].append(total.item())
        for task in ("left", "right"):
            out[task].append(losses[task].item() if task in losses else None)
        if len(out["total"]) == count:
            break
    return out


def run_seeds(splits, count):
    out = {"seeds": list(range(1, count + 1)), "left": [], "right": []}
    size, epochs = len(splits["train"]["input"]), sum(epochs for _, epochs, _ in STAGES)
    for seed in out["seeds"]:
        torch.manual_seed(seed)
        model = Model()
        for _ in training(model, splits["train"], (torch.randperm(size) for _ in range(epochs))):
            pass
        for task, accuracy in accuracies(model, splits["test"]).items():
            out[task].append(accuracy)
    return out


def run_time(splits, count, warm_up=20):
    """Full steps of the second stage, batch and shuffling included."""
    train = splits["train"]
    model, weighting = Model(), Weighting()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    tasks, _, kind = STAGES[1]
    seconds, rows = [], []
    for _ in range(warm_up + count):
        start = time.perf_counter()
        if not rows:
            rows = [r for r in torch.randperm(len(train["input"])).split(BATCH) if len(r) == BATCH]
        batch = rows.pop()
        targets = {task: train[task][batch] for task in tasks}
        total, _ = train_step(model, optimizer, weighting, kind, train["input"][batch], targets)
        total.item()
        seconds.append(time.perf_counter() - start)
    seconds = seconds[warm_up:]
    return {
        "samples_per_s": BATCH * count / sum(seconds),
        "median_step_ms": 1e3 * statistics.median(seconds),
        "steps": count,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="FILE", help="safetensors file written by mtl")
    parser.add_argument("--threads", type=int, metavar="N", help="default: PyTorch's")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--losses", type=int, metavar="N", help="the first N losses, from the file's weights and order")
    mode.add_argument("--seeds", type=int, metavar="N", help="test accuracies of N trainings, PyTorch's initialisation")
    mode.add_argument("--time", type=int, metavar="STEPS", help="samples a second over STEPS steps, after a warm-up")
    parser.add_argument("--double", action="store_true", help="--losses in float64")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)

    tensors = load_file(args.data)
    splits = {
        split: {
            "input": tensors[f"{split}.input"],
            "left": tensors[f"{split}.left"].long(),
            "right": tensors[f"{split}.right"].long(),
        }
        for split in ("train", "valid", "test")
    }
    if args.losses:
        parameters = {name: t for name, t in tensors.items() if name.startswith(("trunk.", "heads."))}
        result = run_losses(splits, parameters, tensors["order"].long(), args.losses, args.double)
    elif args.seeds:
        result = run_seeds(splits, args.seeds)
    else:
        result = run_time(splits, args.time)
    print(json.dumps(result))


main()
