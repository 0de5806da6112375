"""Speed of one DANN training step: this library, the same step written by hand, skada, and pytorch-adapt.

All train the MNIST network of the DANN paper on 28 by 28 by 3 images in uint8 tensors in memory. A step has 64 source
and 64 target images. A ratio is our images per second divided by theirs. It is the median over rounds, and all run in
turns in each round. A library that is not installed is left out. To install them: `pip install skada skorch`; `pip
install --no-deps pytorch-adapt pytorch-metric-learning torchmetrics==0.9.3 "setuptools<81"`.

    python -m benchmarks.speed.training_step [--rounds 5] [--steps 60]
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.lib.machine import describe
from synth2real.adapt import DANN
from synth2real.data.domains import Labelled, Unlabelled
from synth2real.networks.layers import DANNMnist, mlp, reverse_gradient
from synth2real.route.route import Route
from synth2real.route.run import Budget

BATCH = 64
CLASSES = tuple("0123456789")


def data(count: int = 2048) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, z = (torch.randint(256, (count, 3, 28, 28), dtype=torch.uint8, generator=generator) for _ in range(2))
    return x, torch.randint(10, (count,), generator=generator), z


def ours(x: Tensor, y: Tensor, z: Tensor) -> Callable[[int], float]:
    route = Route(adapt=DANN(preset="paper"))

    def run(steps: int) -> float:
        return route.run(Labelled(x, y, CLASSES), Unlabelled(z), budget=Budget(steps=steps)).seconds["train"]

    return run


def by_hand(x: Tensor, y: Tensor, z: Tensor, memory_format: torch.memory_format) -> Callable[[int], float]:
    """The same step without a library, written carefully for this one case."""

    def run(steps: int) -> float:
        start = time.perf_counter()
        torch.manual_seed(0)
        mean = (x.float() / 255).mean((0, 2, 3)).view(1, 3, 1, 1)
        std = (x.float() / 255).std((0, 2, 3)).view(1, 3, 1, 1)
        features = DANNMnist((3, 28, 28))
        features.to(memory_format=memory_format)  # type: ignore[call-overload]
        head, critic = mlp(768, (100, 100), 10), mlp(768, (100,), 1)
        parameters = [*features.parameters(), *head.parameters(), *critic.parameters()]
        optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.9)
        domain = torch.cat([torch.ones(BATCH), torch.zeros(BATCH)])
        for step in range(steps):
            p = step / steps
            for group in optimizer.param_groups:
                group["lr"] = 0.01 / (1 + 10 * p) ** 0.75
            if step % (len(x) // BATCH) == 0:
                order, other = torch.randperm(len(x)), torch.randperm(len(z))
            at = step % (len(x) // BATCH) * BATCH
            index = order[at : at + BATCH]
            both = torch.cat([x[index], z[other[at : at + BATCH]]]).float() / 255
            f = features(((both - mean) / std).contiguous(memory_format=memory_format))
            label = F.cross_entropy(head(f[:BATCH]), y[index])
            reversed_f = reverse_gradient(f, 2 / (1 + math.exp(-10 * p)) - 1)
            adversary = F.binary_cross_entropy_with_logits(critic(reversed_f).flatten(), domain)
            optimizer.zero_grad()
            (label + adversary).backward()
            optimizer.step()
        return time.perf_counter() - start

    return run


def pytorch_adapt(x: Tensor, y: Tensor, z: Tensor) -> Callable[[int], float]:
    from pytorch_adapt.containers import Models, Optimizers
    from pytorch_adapt.hooks import DANNHook

    def run(steps: int) -> float:
        features, head, critic = DANNMnist((3, 28, 28)), mlp(768, (100, 100), 10), mlp(768, (100,), 1)
        models = Models({"G": features, "C": head, "D": nn.Sequential(critic, nn.Flatten(0))})
        optimizers = Optimizers((torch.optim.SGD, {"lr": 0.01, "momentum": 0.9}))
        optimizers.create_with(models)
        hook = DANNHook(opts=list(optimizers.values()))
        scaled = [t.float() / 255 for t in (x, z)]
        loaders = [
            torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*t), BATCH, shuffle=True, drop_last=True)
            for t in ((scaled[0], y), (scaled[1],))
        ]
        start, done = time.perf_counter(), 0
        while done < steps:
            for (source, labels), (target,) in zip(*loaders, strict=True):
                ones, zeros = torch.ones(BATCH), torch.zeros(BATCH)
                batch = {"src_imgs": source, "src_labels": labels, "src_domain": zeros}
                hook({**models, **batch, "target_imgs": target, "target_domain": ones})
                done += 1
                if done == steps:
                    break
        return time.perf_counter() - start

    return run


def skada(x: Tensor, y: Tensor, z: Tensor) -> Callable[[int], float]:
    import numpy as np
    from skada.deep import DANN as SkadaDANN

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = DANNMnist((3, 28, 28))
            self.head = mlp(768, (100, 100), 10)

        def forward(self, batch: Tensor, sample_weight: Tensor | None = None) -> Tensor:
            logits: Tensor = self.head(self.features(batch))
            return logits

    inputs = torch.cat([x, z]).float().div(255).numpy()
    labels = np.concatenate([y.numpy(), np.full(len(z), -1)])
    domains = np.concatenate([np.ones(len(x), int), np.full(len(z), -2)])

    def run(steps: int) -> float:
        epochs = max(1, round(steps * BATCH / len(x)))
        net = SkadaDANN(
            Whole(),
            reg=1.0,
            layer_name="features",
            domain_classifier=nn.Sequential(mlp(768, (100,), 1), nn.Sigmoid(), nn.Flatten(0)),
            batch_size=2 * BATCH,
            max_epochs=epochs,
            train_split=None,
            verbose=0,
            lr=0.01,
        )
        start = time.perf_counter()
        net.fit(inputs, labels, sample_domain=domains)
        return (time.perf_counter() - start) * steps / (epochs * (len(x) // BATCH))

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=64)
    arguments = parser.parse_args()
    arrays = data()
    contestants: dict[str, Callable[[int], float]] = {
        "synth2real": ours(*arrays),
        "by hand, channels last": by_hand(*arrays, torch.channels_last),
        "by hand, contiguous": by_hand(*arrays, torch.contiguous_format),
    }
    for name, build in (("skada", skada), ("pytorch-adapt", pytorch_adapt)):
        try:
            contestants[name] = build(*arrays)
            contestants[name](32)
        except Exception as error:  # a library that is missing or broken must not end the benchmark
            print(f"{name}: left out ({type(error).__name__}: {error})")
            contestants.pop(name, None)
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for round_ in range(arguments.rounds + 1):
        for name, run in contestants.items():
            seconds = run(arguments.steps)
            if round_:  # the first round is a warm-up
                times[name].append(seconds)
    print(describe())
    print(f"{'':26} images/s   ours / theirs (median of {arguments.rounds}, least to most)")
    for name, spent in times.items():
        ratios = sorted(theirs / mine for theirs, mine in zip(spent, times["synth2real"], strict=True))
        images = 2 * BATCH * arguments.steps / statistics.median(spent)
        print(f"{name:26} {images:8.0f}   {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
