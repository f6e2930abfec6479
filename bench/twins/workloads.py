"""The PyTorch twins of bench/workloads: the same networks, losses and optimizers, written as one would in eager PyTorch, on
made-up data that lies on the device.

    python bench/twins/workloads.py mlp --device cuda --steps 200 [--threads 2]
    python bench/twins/workloads.py rates --device cuda

prints one line of JSON: samples_per_s (median over ten parts of the steps, after a warm-up), first_step_s from the start of
the program, flops of a step (counted by PyTorch), batch. `rates`: what the device reaches, matrix_rate (float32, 4096 x 4096,
FLOP/s) and bandwidth (adding two tensors of 256 MiB, bytes read and written a second).
"""

import argparse
import json
import statistics
import time

BEGUN = time.time()

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402


class Heads(nn.Module):
    """A trunk, and heads by the names of the tasks."""

    def __init__(self, trunk, **heads):
        super().__init__()
        self.trunk, self.heads = trunk, nn.ModuleDict(heads)

    def forward(self, x):
        shared = self.trunk(x)
        return {name: head(shared) for name, head in self.heads.items()}


def number(pred, target):
    return F.mse_loss(pred.squeeze(-1), target)


def yes(pred, target):
    return F.binary_cross_entropy_with_logits(pred.squeeze(-1), target)


def mlp(device):
    trunk = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU())
    model = Heads(trunk, bought=nn.Linear(128, 1), kind=nn.Linear(128, 5), amount=nn.Linear(128, 1))
    x = torch.randn(12800, 64, device=device)
    targets = {"bought": (x[:, 0] > 0).float(), "kind": torch.randint(5, (12800,), device=device), "amount": x[:, 1]}
    return model, x, targets, {"bought": yes, "kind": F.cross_entropy, "amount": number}, 128, adam


def lenet(device):
    trunk = nn.Sequential(
        nn.Conv2d(1, 10, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(10, 20, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(320, 50), nn.ReLU(),
    )  # fmt: skip
    model = Heads(trunk, left=nn.Linear(50, 10), right=nn.Linear(50, 10))
    targets = {name: torch.randint(10, (10240,), device=device) for name in ("left", "right")}
    losses = {"left": F.cross_entropy, "right": F.cross_entropy}
    return model, torch.randn(10240, 1, 28, 28, device=device), targets, losses, 256, adam


class Block(nn.Module):
    def __init__(self, planes_in, planes, stride):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(planes_in, planes, 3, stride, 1, bias=False), nn.BatchNorm2d(planes), nn.ReLU(),
            nn.Conv2d(planes, planes, 3, 1, 1, bias=False), nn.BatchNorm2d(planes),
        )  # fmt: skip
        short = nn.Sequential(nn.Conv2d(planes_in, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))
        self.short = nn.Identity() if stride == 1 else short

    def forward(self, x):
        return F.relu(self.main(x) + self.short(x))


def resnet(device):
    layers, last = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
    for level, planes in enumerate((64, 128, 256, 512)):
        layers += [Block(last, planes, 2 if level else 1), Block(planes, planes, 1)]
        last = planes
    model = Heads(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), coarse=nn.Linear(512, 10),
                  fine=nn.Linear(512, 100))  # fmt: skip
    targets = {"coarse": torch.randint(10, (1280,), device=device), "fine": torch.randint(100, (1280,), device=device)}
    losses = {"coarse": F.cross_entropy, "fine": F.cross_entropy}
    return model, torch.randn(1280, 3, 32, 32, device=device), targets, losses, 64, sgd


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(1)


def transformer(device):
    layers = [nn.TransformerEncoderLayer(128, 4, 512, dropout=0, batch_first=True) for _ in range(2)]
    model = Heads(nn.Sequential(*layers, Mean()), kind=nn.Linear(128, 10), amount=nn.Linear(128, 1))
    targets = {"kind": torch.randint(10, (1280,), device=device), "amount": torch.rand(1280, device=device)}
    losses = {"kind": F.cross_entropy, "amount": number}
    return model, torch.randn(1280, 64, 128, device=device), targets, losses, 32, adam


def adam(parameters):
    return torch.optim.Adam(parameters, lr=1e-3)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.01, momentum=0.9)


WORKLOADS = {"mlp": mlp, "lenet": lenet, "resnet": resnet, "transformer": transformer}


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def train(name, device, steps):
    model, x, targets, losses, batch, optimizer = WORKLOADS[name](device)
    model.to(device).train()
    optimizer = optimizer(model.parameters())
    order = torch.randperm(len(x), device=device)
    at = 0

    def step():
        nonlocal order, at
        if at + batch > len(x):
            order, at = torch.randperm(len(x), device=device), 0
        index = order[at : at + batch]
        at += batch
        outputs = model(x[index])
        loss = sum(losses[task](outputs[task], targets[task][index]) for task in losses)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step()
    wait(device)
    first = time.time() - BEGUN
    with FlopCounterMode(display=False) as counter:
        step()
    for _ in range(20 if device == "cuda" else 3):
        step()
    parts = []
    for _ in range(10):
        wait(device)
        begun = time.perf_counter()
        for _ in range(max(steps // 10, 1)):
            step()
        wait(device)
        parts.append(max(steps // 10, 1) * batch / (time.perf_counter() - begun))
    return {"samples_per_s": statistics.median(parts), "first_step_s": first, "flops": counter.get_total_flops(),
            "batch": batch}  # fmt: skip


def timed(f, device, times):
    f()
    wait(device)
    begun = time.perf_counter()
    for _ in range(times):
        f()
    wait(device)
    return (time.perf_counter() - begun) / times


def rates(device):
    a, b = torch.randn(4096, 4096, device=device), torch.randn(4096, 4096, device=device)
    x, y, z = (torch.randn(1 << 26, device=device) for _ in range(3))
    times = 20 if device == "cuda" else 2
    return {"matrix_rate": 2 * 4096**3 / timed(lambda: a @ b, device, times),
            "bandwidth": 3 * 4 * (1 << 26) / timed(lambda: torch.add(x, y, out=z), device, times)}  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=[*WORKLOADS, "rates"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(1)
    result = rates(options.device) if options.what == "rates" else train(options.what, options.device, options.steps)
    print(json.dumps(result))


main()
