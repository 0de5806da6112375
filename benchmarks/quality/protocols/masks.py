"""Masks from rendered to real images: nuclei under a microscope, and pupils in infrared eyes.

The figure is the IoU of the foreground in each image. Of nuclei it is the mean over the images that have any, at 128 by
128 pixels; of pupils the mean over the people of each one's mean. Otsu's threshold stands beside nuclei. The interval
is a bootstrap over seeds and images; `gain` is that of the difference to the randomized route. `narrow` renders pupils
with every range a fifth as wide.

    python -m benchmarks.quality.protocols.masks nuclei [--score] [--routes randomized teacher] [--steps 600]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.lib.machine import describe
from benchmarks.lib.protocols import data_folder, dense_arguments, keep
from synth2real import Budget, Route, Unlabelled
from synth2real.adapt import CDAN, DANN, MIC, EntropyMinimisation, Teacher
from synth2real.randomize import Full
from synth2real.simulate import Eyes, Nuclei, Simulator
from synth2real.tasks.metrics.masks import confusions, image_ious

SIDE = 128
DEV = (42, 44)  # persons of the dev part of the pupils
NARROW, RESAMPLES = 0.2, 1000
BASELINE = "randomized"


@dataclass(frozen=True)
class MaskProtocol:
    """A source, real images without labels, and real images (N, 1, H, W) with masks (N, H, W) and groups (N,)."""

    source: Simulator
    label: str
    target: Tensor
    images: Tensor
    masks: Tensor
    groups: Tensor


def nuclei(score: bool) -> MaskProtocol:
    """DSB2018: a smaller mask has the class that covers most of each pixel, as `load` reads it."""
    part = "score" if score else "dev"
    with np.load(data_folder() / "real_nuclei_dsb2018.npz") as arrays:
        target, images = (_halved(arrays[name]) for name in ("unlabelled", f"{part}_images"))
        cover = F.avg_pool2d(torch.from_numpy((arrays[f"{part}_labels"] > 0).astype(np.float32))[:, None], 2)[:, 0]
    masks = (cover >= 0.5).to(torch.uint8)
    return MaskProtocol(Nuclei(size=(SIDE, SIDE)), "mask", target, images, masks, torch.zeros(len(images)))


def _halved(images: np.ndarray) -> Tensor:
    return F.avg_pool2d(torch.from_numpy(images)[:, None].float(), 2).round().to(torch.uint8)


def pupils(score: bool, factor: float = 1.0) -> MaskProtocol:
    """MEYE at 128 by 128."""
    with np.load(data_folder() / "real_pupils_meye.npz") as arrays:
        target, images = (torch.from_numpy(arrays[name])[:, None] for name in ("unlabelled", "images"))
        masks = torch.from_numpy(np.unpackbits(arrays["pupil_mask"], axis=-1))
        person = torch.from_numpy(arrays["person"].astype(np.int64))
    part = torch.isin(person, torch.tensor(DEV)) != score
    source = Eyes(preset="infrared").widened(factor)
    return MaskProtocol(source, "mask:pupil", target, images[part], masks[part], person[part])


PROTOCOLS: dict[str, Callable[[bool], MaskProtocol]] = {
    "nuclei": nuclei,
    "pupils": pupils,
    "narrow": lambda score: pupils(score, NARROW),
}


def routes() -> dict[str, Route]:
    """The routes of the table."""
    methods = {
        "dann": DANN(),
        "cdan": CDAN(),
        "entropy": EntropyMinimisation(),
        "teacher": Teacher(),
        "mic": MIC(),
    }
    adapted = {name: Route(randomize=Full(), adapt=method) for name, method in methods.items()}
    return {"source only": Route(), BASELINE: Route(randomize=Full()), **adapted}


def by_image(predicted: Tensor, protocol: MaskProtocol) -> Tensor:
    """IoU of the foreground in each image, (N,) float64; nan without any."""
    return image_ious(confusions(predicted, protocol.masks, 2))


def figure(ious: Tensor, groups: Tensor) -> float:
    """Mean over the groups of the mean of (..., N) over their images."""
    return float(torch.stack([ious[..., groups == one].nanmean() for one in groups.unique()]).mean())


def interval(ious: Tensor, groups: Tensor) -> tuple[float, float]:
    """A 95 % interval of `figure` by a bootstrap over seeds and images (S, N)."""
    generator, found = torch.Generator().manual_seed(0), []
    for _ in range(RESAMPLES):
        seeds, at = (torch.randint(count, (count,), generator=generator) for count in ious.shape)
        found.append(figure(ious[seeds][:, at], groups[at]))
    low, high = torch.tensor(found).quantile(torch.tensor([0.025, 0.975])).tolist()
    return low, high


def by_group(predicted: list[Tensor], protocol: MaskProtocol) -> dict[str, dict[str, float]]:
    """For each group the IoU, the predicted area by the true one, and the share of the true area that is missed."""
    found, each = {}, torch.stack([confusions(masks, protocol.masks, 2) for masks in predicted])
    for group in protocol.groups.unique().tolist():
        of = each[:, protocol.groups == group].double()
        both, missed, extra = of[..., 1, 1], of[..., 1, 0], of[..., 0, 1]
        true = both + missed
        parts = {"iou": both / (true + extra), "area": (both + extra) / true, "missed": missed / true}
        found[str(int(group))] = {name: float(values.nanmean()) for name, values in parts.items()}
    return found


def otsu(images: Tensor) -> Tensor:
    """Pixels above the threshold that parts the grey levels of each image best (Otsu 1979), (N, H, W) uint8."""
    counts = torch.stack([torch.bincount(one.flatten().long(), minlength=256) for one in images]).double()
    below, sums = counts.cumsum(1), (counts * torch.arange(256)).cumsum(1)
    above, rest = below[:, -1:] - below, sums[:, -1:] - sums
    apart = below * above * (sums / below.clamp(min=1) - rest / above.clamp(min=1)) ** 2
    return (images[:, 0] > apart.argmax(1)[:, None, None]).to(torch.uint8)


def main() -> None:
    arguments = dense_arguments(__doc__, PROTOCOLS, steps=600, n=4000)
    protocol = PROTOCOLS[arguments.protocol](arguments.score)
    source = protocol.source.labelled(arguments.n, 0, protocol.label)
    kind = "score" if arguments.score else "dev"
    print(f"{arguments.protocol}, {kind}, {len(protocol.images)} images, {arguments.seeds} seeds; {describe()}")
    if arguments.protocol == "nuclei":
        print(f"{'Otsu':14} {figure(by_image(otsu(protocol.images), protocol), protocol.groups):.3f}")
    baseline = None
    for name, route in routes().items():
        if arguments.routes and name not in arguments.routes:
            continue
        started, predicted = time.perf_counter(), []
        for seed in range(arguments.seeds):
            budget = Budget(steps=arguments.steps, batch=arguments.batch, seed=seed)
            model = route.run(source, Unlabelled(protocol.target), budget=budget).model
            predicted.append(model.predict(Unlabelled(protocol.images)).values)
        ious = torch.stack([by_image(masks, protocol) for masks in predicted])
        groups, seconds = by_group(predicted, protocol), (time.perf_counter() - started) / arguments.seeds
        mean, (low, high) = figure(ious, protocol.groups), interval(ious, protocol.groups)
        baseline = ious if name == BASELINE else baseline
        gain = None if baseline is None or name == BASELINE else interval(ious - baseline, protocol.groups)
        more = "" if gain is None else f"   gain ({gain[0]:.3f} to {gain[1]:.3f})"
        print(f"{name:14} {mean:.3f} ({low:.3f} to {high:.3f})   {seconds:.0f} s{more}", flush=True)
        for group, of in groups.items() if len(groups) > 1 else ():
            print(f"  {group:12} IoU {of['iou']:.3f}, area {of['area']:.2f} of the true one, {of['missed']:.3f} missed")
        if arguments.score:
            settings = {key: getattr(arguments, key) for key in ("steps", "n", "seeds", "batch")}
            result = {"image_iou": mean, "low": low, "high": high, "gain": gain, "seconds": seconds, "groups": groups}
            keep({"protocol": f"masks, {arguments.protocol}", "name": name, **result, **settings})


if __name__ == "__main__":
    main()
