"""Training steps of other libraries, on the network and the batches of `training_step`, without an average of weights.

Each function builds a run of some steps for a method, or raises the error of an import that fails. Nothing else is
asked of a library than what its manual says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.lib.by_hand.networks import normalised
from synth2real.networks.layers import Convolutional, mlp

Run = Callable[[int], float]  # trains for some steps, and returns the seconds of as many


class Features(nn.Sequential):
    """The library's default network for 28 by 28 by 3 images in 0..1, with per-image normalisation."""

    def __init__(self) -> None:
        super().__init__(*Convolutional((3, 28, 28)))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(normalised(x))  # type: ignore[no-any-return, no-untyped-call]


WIDTH = 128  # of the features
SKADA = {"dann": "DANN", "cdan": "CDAN", "mdd": "MDD", "mcc": "MCC", "deepcoral": "DeepCoral", "dan": "DAN"}
PYTORCH_ADAPT = ("dann", "afn", "mcc", "deepcoral", "dan")


def skada(method: str, x: Tensor, y: Tensor, z: Tensor, batch: int) -> Run:
    import skada.deep

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features, self.head = Features(), mlp(WIDTH, (), 10)

        def forward(self, images: Tensor, sample_weight: Tensor | None = None) -> Tensor:
            logits: Tensor = self.head(self.features(images))
            return logits

    own: dict[str, Any] = {}
    if method == "dann":
        own["domain_classifier"] = nn.Sequential(mlp(WIDTH, (100,), 1), nn.Sigmoid(), nn.Flatten(0))
    elif method == "cdan":
        own["domain_classifier"] = nn.Sequential(mlp(10 * WIDTH, (100,), 1), nn.Sigmoid(), nn.Flatten(0))
    elif method == "mdd":
        own["disc_classifier"] = mlp(WIDTH, (100,), 10)
    inputs = torch.cat([x, z]).float().div(255).numpy()
    labels = np.concatenate([y.numpy(), np.full(len(z), -1)])
    domains = np.concatenate([np.ones(len(x), int), np.full(len(z), -2)])

    def run(steps: int) -> float:
        count = min(len(x), steps * batch)  # an epoch of so many steps
        kept = np.r_[:count, len(x) : len(x) + count]
        shared = {"batch_size": 2 * batch, "max_epochs": 1, "train_split": None, "verbose": 0, "lr": 1e-3}
        net = getattr(skada.deep, SKADA[method])(
            Whole(), layer_name="features", reg=1.0, optimizer=torch.optim.AdamW, **shared, **own
        )
        start = time.perf_counter()
        net.fit(inputs[kept], labels[kept], sample_domain=domains[kept])
        return (time.perf_counter() - start) * steps / (count // batch)

    return run


def pytorch_adapt(method: str, x: Tensor, y: Tensor, z: Tensor, batch: int) -> Run:
    from pytorch_adapt import hooks
    from pytorch_adapt.containers import Models, Optimizers
    from pytorch_adapt.layers import CORALLoss, MMDLoss

    def hook_of(optimizers: list[Any]) -> Any:
        if method == "dann":
            return hooks.DANNHook(opts=optimizers)
        if method in ("deepcoral", "dan"):
            return hooks.AlignerPlusCHook(opts=optimizers, loss_fn=CORALLoss() if method == "deepcoral" else MMDLoss())
        extra = hooks.AFNHook() if method == "afn" else hooks.MCCHook()
        return hooks.ClassifierHook(opts=optimizers, post=[extra])

    scaled = [images.float() / 255 for images in (x, z)]
    loaders = [
        torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*tensors), batch, shuffle=True, drop_last=True)
        for tensors in ((scaled[0], y), (scaled[1],))
    ]

    def run(steps: int) -> float:
        networks = {"G": Features(), "C": mlp(WIDTH, (), 10)}
        if method == "dann":
            networks["D"] = nn.Sequential(mlp(WIDTH, (100,), 1), nn.Flatten(0))
        models, optimizers = Models(networks), Optimizers((torch.optim.AdamW, {"lr": 1e-3}))
        optimizers.create_with(models)
        hook, start, done = hook_of(list(optimizers.values())), time.perf_counter(), 0
        while done < steps:
            for (source, labels), (target,) in zip(*loaders, strict=True):
                sides = {"src_domain": torch.zeros(batch), "target_domain": torch.ones(batch)}
                hook({**models, "src_imgs": source, "src_labels": labels, "target_imgs": target, **sides})
                done += 1
                if done == steps:
                    break
        return time.perf_counter() - start

    return run


def tllib(method: str, x: Tensor, y: Tensor, z: Tensor, batch: int) -> Run:
    """tllib has losses, and no step: this is that of its examples."""
    from tllib.alignment.dann import DomainAdversarialLoss
    from tllib.modules.domain_discriminator import DomainDiscriminator

    def run(steps: int) -> float:
        features, head = Features(), mlp(WIDTH, (), 10)
        adversary = DomainAdversarialLoss(DomainDiscriminator(WIDTH, 100))
        parameters = [*features.parameters(), *head.parameters(), *adversary.parameters()]
        optimizer, start = torch.optim.AdamW(parameters, 1e-3), time.perf_counter()
        for step in range(steps):
            at = step * batch % len(x)
            both = torch.cat([x[at : at + batch], z[at : at + batch]]).float() / 255
            found = features(both)
            label = nn.functional.cross_entropy(head(found[:batch]), y[at : at + batch])
            optimizer.zero_grad()
            (label + adversary(*found.split(batch))).backward()
            optimizer.step()
        return time.perf_counter() - start

    return run


PEERS: dict[str, tuple[Callable[..., Run], tuple[str, ...]]] = {
    "skada": (skada, tuple(SKADA)),
    "pytorch-adapt": (pytorch_adapt, PYTORCH_ADAPT),
    "tllib": (tllib, ("dann",)),
}
