"""The PyTorch twin of bench/policies.lua: the same LeNet with T heads, the same policies, in eager PyTorch as LibMTL
writes them: a backward pass a task, with the graph kept, whose gradients of the shared parameters become the rows of a
matrix.

    python bench/twins/policies.py --data FILE.safetensors --tasks T --turns N --threads N POLICY...

Policies take turns of a few steps. A name torchjd.POLICY has the gradients made and mixed by TorchJD (mtl_backward),
where it is installed. Prints one line of JSON: {policy: [seconds of processor time of a step, ...]}.
"""

import argparse
import json
import random
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

BATCH, WARM_UP, STEPS = 256, 10, 12  # as bench/policies.lua


class Model(nn.Module):
    def __init__(self, tasks):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 10, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(10, 20, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(320, 50), nn.ReLU(),
        )  # fmt: skip
        self.heads = nn.ModuleList(nn.Linear(50, 10) for _ in range(tasks))


def pcgrad(rows):
    """Each gradient, over the others in random order, loses its part along those that it conflicts with."""
    mixed = rows.clone()
    for i in range(len(rows)):
        for j in random.sample(range(len(rows)), len(rows)):
            dot = torch.dot(mixed[i], rows[j])
            if j != i and dot < 0:
                mixed[i] -= dot / rows[j].norm().pow(2) * rows[j]
    return mixed.sum(0)


def mgda(rows, most=250, enough=1e-5):
    """The shortest convex combination, by Frank and Wolfe's steps on the Gramian, as the authors' code."""
    gram = (rows @ rows.T).tolist()
    n = len(gram)
    w = [1 / n] * n
    for _ in range(most):
        along = [sum(g * x for g, x in zip(row, w)) for row in gram]
        t = min(range(n), key=along.__getitem__)
        square = sum(a * x for a, x in zip(along, w))
        below = square - 2 * along[t] + gram[t][t]
        if square - along[t] <= 0 or below <= 0:
            break
        step = min((square - along[t]) / below, 1.0)
        w = [(1 - step) * x + (step if i == t else 0) for i, x in enumerate(w)]
        if step < enough:
            break
    return torch.tensor(w) @ rows


def cagrad(rows, c=0.5):
    """The authors' fast solver: 20 steps of SGD on the weights' logits."""
    n = len(rows)
    gram = rows @ rows.T
    gram = gram / (gram.diag() + 1e-4).sqrt().mean().pow(2)
    mean = gram.mean(1, keepdim=True)
    c = c * (mean.mean() + 1e-4).sqrt()
    logits = torch.zeros(n, 1, requires_grad=True)
    solver = torch.optim.SGD([logits], lr=25, momentum=0.5)
    best, least = None, float("inf")
    for i in range(21):
        solver.zero_grad()
        w = logits.softmax(0)
        value = (w.T @ mean + c * (w.T @ gram @ w + 1e-4).sqrt()).sum()
        if value.item() < least:
            best, least = logits.detach().clone(), value.item()
        if i < 20:
            value.backward()
            solver.step()
    w = best.softmax(0)
    length = (w.T @ gram @ w + 1e-4).sqrt()
    return ((1 / n + w * c / (length + 1e-4)) * rows).sum(0)


POLICIES = {"pcgrad": pcgrad, "mgda": mgda, "cagrad": cagrad}


def apart(losses, shared, mix):
    """A backward pass a task; heads keep what is theirs, the shared parameters get the mix."""
    rows = []
    for i, loss in enumerate(losses):
        loss.backward(retain_graph=i + 1 < len(losses))
        rows.append(torch.cat([p.grad.flatten() for p in shared]))
        for p in shared:
            p.grad = None
    mixed, at = mix(torch.stack(rows)), 0
    for p in shared:
        p.grad = mixed[at : at + p.numel()].view_as(p).clone()
        at += p.numel()


def by_torchjd(name):
    from torchjd import aggregation, autojac

    aggregator = {"pcgrad": aggregation.PCGrad, "mgda": aggregation.MGDA}[name]()

    def backward(losses, features, shared):
        autojac.mtl_backward(losses, features)
        autojac.jac_to_grad(shared, aggregator)

    return backward


class Training:
    def __init__(self, name, tasks, data):
        torch.manual_seed(1)
        self.model, self.data = Model(tasks), data
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.shared = list(self.model.trunk.parameters())
        self.name, self.rows, self.made, self.seconds = name, [], 0, []
        self.jd = by_torchjd(name.removeprefix("torchjd.")) if name.startswith("torchjd.") else None

    def step(self):
        if not self.rows:
            self.rows = [r for r in torch.randperm(len(self.data["input"])).split(BATCH) if len(r) == BATCH]
        batch = self.rows.pop()
        targets = [target[batch] for target in self.data["targets"]]
        features = self.model.trunk(self.data["input"][batch])
        outputs = [head(features) for head in self.model.heads]
        losses = [F.cross_entropy(output, y) for output, y in zip(outputs, targets)]
        kpis = [(output.argmax(1) == y).float().mean().item() for output, y in zip(outputs, targets)]
        self.optimizer.zero_grad()
        if self.name == "uniform":
            sum(losses).backward()
        elif self.jd:
            self.jd(losses, features, self.shared)
        else:
            apart(losses, self.shared, POLICIES[self.name])
        self.optimizer.step()
        return [loss.item() for loss in losses], kpis

    def turn(self):
        for i in range(STEPS):
            start = time.process_time()
            self.step()
            self.made += 1
            if i > 0 and self.made > WARM_UP:
                self.seconds.append(time.process_time() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="FILE", help="what bench/twins/dump.lua writes")
    parser.add_argument("--tasks", type=int, required=True, metavar="T")
    parser.add_argument("--turns", type=int, default=5, metavar="N")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("policies", nargs="+")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tensors = load_file(args.data)
    sides = [tensors["train.left"].long(), tensors["train.right"].long()]
    targets = [(sides[i % 2] + i // 2) % 10 for i in range(args.tasks)]
    data = {"input": tensors["train.input"], "targets": targets}
    trainings = [Training(name, args.tasks, data) for name in args.policies]
    for _ in range(args.turns):
        for training in trainings:
            training.turn()
    print(json.dumps({training.name: training.seconds for training in trainings}))


if __name__ == "__main__":
    main()
