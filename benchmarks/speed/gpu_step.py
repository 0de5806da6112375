"""Speed of a training step of a ResNet-50 at 224 by 224 on a GPU: this library, and the same step in bare PyTorch.

Both train on images in the memory of the GPU, with AdamW, in bfloat16 and channels last, without randomization and
without an average of the weights. A ratio is our images per second divided by theirs, the median over rounds in which
both run in turns. Without CUDA the script says so and measures nothing.

    python -m benchmarks.speed.gpu_step [--rounds 5] [--steps 50] [--batch 64]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.lib.results import Column, Row, show
from benchmarks.lib.timing import ROUNDS, interleaved, rates, ratios
from synth2real.adapt import SourceOnly
from synth2real.data.domains import Labelled
from synth2real.route.route import Route
from synth2real.route.run import Budget
from synth2real.training.hardware import Hardware

CLASSES = tuple("0123456789")
COLUMNS = (
    Column("beside", "a step of a ResNet-50 at 224 by 224"),
    Column("rate", "images/s"),
    Column("ratio", "ours / theirs", whole=True),
)


class Bottleneck(nn.Module):
    """A residual block of ResNet-50 (He et al. 2016), with the stride in its middle layer."""

    def __init__(self, inputs: int, maps: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(inputs, maps, 1, bias=False), nn.BatchNorm2d(maps), nn.ReLU(inplace=True)),
            *(nn.Conv2d(maps, maps, 3, stride, 1, bias=False), nn.BatchNorm2d(maps), nn.ReLU(inplace=True)),
            *(nn.Conv2d(maps, 4 * maps, 1, bias=False), nn.BatchNorm2d(4 * maps)),
        )
        changes = stride > 1 or inputs != 4 * maps
        self.way = (
            nn.Sequential(nn.Conv2d(inputs, 4 * maps, 1, stride, bias=False), nn.BatchNorm2d(4 * maps))
            if changes
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.way(x))


def resnet50() -> nn.Sequential:
    """The features (N, 2048) of a ResNet-50 with random weights."""
    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    blocks, inputs = [], 64
    for maps, count in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for i in range(count):
            blocks.append(Bottleneck(inputs, maps, 2 if i == 0 and maps > 64 else 1))
            inputs = 4 * maps
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def ours(x: Tensor, y: Tensor, batch: int, hardware: Hardware) -> Callable[[int], float]:
    route = Route(adapt=SourceOnly(decay=0, statistics="none"), features=resnet50())
    source = Labelled(x, y, CLASSES)

    def run(steps: int) -> float:
        budget = Budget(steps=steps, batch=batch, hardware=hardware)
        return route.run(source, source.unlabelled(), budget=budget).seconds["train"]

    return run


def bare(x: Tensor, y: Tensor, batch: int, hardware: Hardware) -> Callable[[int], float]:
    device = hardware.device
    images, labels = x.to(device).contiguous(memory_format=torch.channels_last), y.to(device)

    def run(steps: int) -> float:
        start = time.perf_counter()
        model = nn.Sequential(resnet50(), nn.Linear(2048, len(CLASSES)))
        model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.01)
        for _ in range(steps):
            index = torch.randint(len(images), (batch,), device=device)
            scaled = (images[index].float() / 255).contiguous(memory_format=torch.channels_last)
            with hardware.autocast():
                loss = F.cross_entropy(model(scaled), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        float(loss.detach())  # waits for the device
        return time.perf_counter() - start

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch", type=int, default=64)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device: nothing is measured")
        return
    hardware, generator = Hardware.detect("cuda"), torch.Generator().manual_seed(0)
    x = torch.randint(256, (512, 3, 224, 224), dtype=torch.uint8, generator=generator)
    y = torch.randint(len(CLASSES), (len(x),), generator=generator)
    contestants = {
        name: build(x, y, arguments.batch, hardware) for name, build in (("synth2real", ours), ("bare PyTorch", bare))
    }
    runs = {name: partial(run, arguments.steps) for name, run in contestants.items()}
    times, count = interleaved(runs, arguments.rounds), arguments.batch * arguments.steps
    rows: list[Row] = [{"beside": name, "rate": rates(count, seconds)} for name, seconds in times.items()]
    rows[1]["ratio"] = ratios(times["bare PyTorch"], times["synth2real"])
    show("speed/gpu_step", COLUMNS, rows, vars(arguments))


if __name__ == "__main__":
    main()
