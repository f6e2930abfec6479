"""The PyTorch twins of bench/workloads: the same networks, losses and optimizers, written as one would in eager PyTorch, on
made-up data that lies on the device.

    python bench/twins/workloads.py mlp --steps 200 [--threads 2] [--device cuda] [--policy pcgrad] [--variants fused ...]
    python bench/twins/workloads.py mlp --steps 5 --losses FILE
    python bench/twins/workloads.py rates --device cuda

The first form prints "first" after the first step, then a line of JSON: samples_per_s (of each tenth of the steps, after a
warm-up), flops of a step (counted by PyTorch), batch. `--losses`: the losses, summed, of the first steps from the parameters
and data in FILE (which bench/train.lua writes). `rates`: what the device reaches, matrix_rate (float32, 4096 x 4096,
FLOP/s) and bandwidth (adding two tensors of 256 MiB, bytes read and written a second).
"""

import argparse
import json
import time

import policies
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


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


class Double(nn.Sequential):
    def __init__(self, planes_in, planes):
        super().__init__(
            nn.Conv2d(planes_in, planes, 3, padding=1, bias=False), nn.BatchNorm2d(planes), nn.ReLU(),
            nn.Conv2d(planes, planes, 3, padding=1, bias=False), nn.BatchNorm2d(planes), nn.ReLU(),
        )  # fmt: skip


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2, self.down3 = Double(3, 32), Double(32, 64), Double(64, 128)
        self.up2_up, self.up2 = nn.ConvTranspose2d(128, 64, 2, 2), Double(128, 64)
        self.up1_up, self.up1 = nn.ConvTranspose2d(64, 32, 2, 2), Double(64, 32)
        self.classes, self.depth, self.normals = nn.Conv2d(32, 13, 1), nn.Conv2d(32, 1, 1), nn.Conv2d(32, 3, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.down3(F.max_pool2d(b, 2))
        b = self.up2(torch.cat([b, self.up2_up(c)], 1))
        a = self.up1(torch.cat([a, self.up1_up(b)], 1))
        return {"classes": self.classes(a), "depth": self.depth(a), "normals": self.normals(a)}


def distance(pred, target):
    return F.l1_loss(pred.squeeze(1), target)


def direction(pred, target):
    return (1 - F.cosine_similarity(pred, target, 1)).mean()


def unet(device):
    rows, size = 64, (96, 128)
    targets = {"classes": torch.randint(13, (rows, *size), device=device), "depth": torch.rand(rows, *size, device=device),
               "normals": torch.randn(rows, 3, *size, device=device)}  # fmt: skip
    losses = {"classes": F.cross_entropy, "depth": distance, "normals": direction}
    return UNet(), torch.randn(rows, 3, *size, device=device), targets, losses, 4, adam


class MMoE(nn.Module):
    def __init__(self, tasks):
        super().__init__()
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(500, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU()) for _ in range(8)
        )
        self.gates = nn.ModuleDict({t: nn.Sequential(nn.Linear(500, 8), nn.Softmax(-1)) for t in tasks})
        self.towers = nn.ModuleDict({t: nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1)) for t in tasks})

    def forward(self, x):
        experts = torch.stack([expert(x) for expert in self.experts])
        mixed = {task: torch.einsum("ebd,be->bd", experts, gate(x)) for task, gate in self.gates.items()}
        return {task: tower(mixed[task]) for task, tower in self.towers.items()}


def mmoe(device):
    x = torch.randn(25600, 500, device=device)
    targets = {"clicked": (x[:, 0] > 0).float(), "bought": (x[:, 1] > 1).float(), "amount": x[:, 2]}
    return MMoE(targets), x, targets, {"clicked": yes, "bought": yes, "amount": number}, 512, adam


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(1)


def transformer(device):
    layers = [nn.TransformerEncoderLayer(128, 4, 512, dropout=0, batch_first=True) for _ in range(2)]
    model = Heads(nn.Sequential(*layers, Mean()), kind=nn.Linear(128, 10), amount=nn.Linear(128, 1))
    targets = {"kind": torch.randint(10, (1280,), device=device), "amount": torch.rand(1280, device=device)}
    losses = {"kind": F.cross_entropy, "amount": number}
    return model, torch.randn(1280, 64, 128, device=device), targets, losses, 32, adam


def adam(parameters, **options):
    return torch.optim.Adam(parameters, lr=1e-3, **options)


def sgd(parameters, **options):
    return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, **options)


WORKLOADS = {"mlp": mlp, "lenet": lenet, "mmoe": mmoe, "unet": unet, "resnet": resnet, "transformer": transformer}
VARIANTS = ["channels_last", "compile", "fused", "foreach"]


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


class Uniform:
    def __init__(self, model, losses):
        pass

    def parameters(self):
        return []

    def backward(self, losses):
        sum(losses.values()).backward()


class Uncertainty(Uniform):
    """Kendall et al. 2018, for cross-entropies."""

    def __init__(self, model, losses):
        self.s = {task: nn.Parameter(torch.zeros(())) for task in losses}

    def parameters(self):
        return list(self.s.values())

    def backward(self, losses):
        sum(loss * (-self.s[task]).exp() + self.s[task] / 2 for task, loss in losses.items()).backward()


class Gradients(Uniform):
    """A backward pass a task, whose gradients of the trunk are mixed: as twins/policies.py, which is as LibMTL does it;
    nash_mtl's weights are TorchJD's, from the same gradients."""

    def __init__(self, model, losses, name):
        self.shared, self.mix = list(model.trunk.parameters()), policies.POLICIES.get(name)
        if not self.mix:
            from torchjd.aggregation import NashMTL

            self.mix = NashMTL(len(losses))

    def backward(self, losses):
        policies.apart(list(losses.values()), self.shared, self.mix)


def policy(name, model, losses):
    named = {"uniform": Uniform, "uncertainty": Uncertainty}
    return named[name](model, losses) if name in named else Gradients(model, losses, name)


class Training:
    def __init__(self, name, options, data=None):
        self.device = options.device
        self.model, self.x, self.targets, self.losses, self.batch, optimizer = WORKLOADS[name](options.device)
        self.model.to(options.device).train()
        if data:
            self.load(data)
        self.compiled = self.model
        if "channels_last" in options.variants:
            self.model.to(memory_format=torch.channels_last)
        if "compile" in options.variants:
            self.compiled = torch.compile(self.model)
        self.policy = policy(options.policy, self.model, self.losses)
        if "compile" in options.variants and isinstance(self.policy, Gradients):
            from torch._functorch import config  # they go backward through a graph once for each task

            config.donated_buffer = False
        chosen = {"fused": True} if "fused" in options.variants else {"foreach": True} if "foreach" in options.variants else {}
        self.optimizer = optimizer([*self.model.parameters(), *self.policy.parameters()], **chosen)
        self.order, self.at = torch.randperm(len(self.x), device=options.device), 0

    def load(self, path):
        """The parameters and data of mtl. Parameters come in the order in which the layers stand, shared ones first; names
        differ, shapes do not."""
        from safetensors.torch import load_file

        theirs = load_file(path)
        self.x = theirs.pop("data.input")
        for task, old in self.targets.items():
            self.targets[task] = theirs.pop("data." + task).to(old.dtype)
        own = dict(self.model.named_parameters())
        same = {name: theirs.pop(name) for name in list(theirs) if name in own}
        for (name, old), (other, new) in zip(((n, p) for n, p in own.items() if n not in same), theirs.items(), strict=True):
            if old.shape != new.shape:
                raise SystemExit(f"{name} {list(old.shape)} is no {other} {list(new.shape)}")
            same[name] = new
        self.model.load_state_dict(same, strict=False)

    def step(self):
        if self.at + self.batch > len(self.x):
            self.order, self.at = torch.randperm(len(self.x), device=self.device), 0
        index = self.order[self.at : self.at + self.batch]
        self.at += self.batch
        outputs = self.compiled(self.x[index])
        losses = {task: self.losses[task](outputs[task], self.targets[task][index]) for task in self.losses}
        self.optimizer.zero_grad()
        self.policy.backward(losses)
        self.optimizer.step()
        return losses


def train(options):
    training = Training(options.what, options)
    training.step()
    wait(options.device)
    print("first", flush=True)
    flops = None
    if not options.variants:
        with FlopCounterMode(display=False) as counter:
            training.step()
        flops = counter.get_total_flops()
    for _ in range(max(options.steps // 10, 2)):
        training.step()
    rates, part = [], max(options.steps // 10, 1)
    for _ in range(10):
        wait(options.device)
        begun = time.perf_counter()
        for _ in range(part):
            training.step()
        wait(options.device)
        rates.append(part * training.batch / (time.perf_counter() - begun))
    return {"samples_per_s": rates, "flops": flops, "batch": training.batch}


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
    parser.add_argument("--policy", default="uniform")
    parser.add_argument("--variants", nargs="*", default=[], choices=VARIANTS)
    parser.add_argument("--losses", metavar="FILE")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(1)
    if options.losses:
        training = Training(options.what, options, options.losses)
        result = [sum(training.step().values()).item() for _ in range(options.steps)]
    else:
        result = rates(options.device) if options.what == "rates" else train(options)
    print(json.dumps(result))


main()
