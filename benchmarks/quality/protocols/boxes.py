"""Boxes from rendered to real images: blood smears under a microscope, and dice seen from above.

The figure is AP50, the mean over the classes, of images reduced to 160 by 120 (blood) or 320 by 320 (dice), with boxes
in pixels of the reduced image. Dice have a pretrained network. With --score, dev and score images are taken together,
as the protocol asks. The interval is a bootstrap over images of the mean over the seeds. `gain` is the difference to
the randomized route, with the interval of the same bootstrap.

    python -m benchmarks.quality.protocols.boxes blood [--score] [--routes randomized teacher] [--steps 800]
"""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.lib.machine import describe
from benchmarks.lib.protocols import data_folder, dense_arguments, keep
from synth2real import Budget, Route, Unlabelled
from synth2real.adapt import CDAN, DANN, MIC, Objective, SourceOnly, Teacher
from synth2real.data.labels import Boxes
from synth2real.networks.pretrained import LITE
from synth2real.randomize import Full
from synth2real.simulate import Blood, Simulator, simulator
from synth2real.tasks import Detection
from synth2real.tasks.metrics.boxes import box_metrics

RESAMPLES = 200
BASELINE = "randomized"
DICE = Path(__file__).parents[3] / "examples" / "dice" / "dice.yaml"


@dataclass(frozen=True)
class BoxProtocol:
    """A source, real images without labels, real images (N, 3, H, W) with their boxes, and the network by name."""

    source: Simulator
    target: Tensor
    images: Tensor
    boxes: Boxes
    network: str | None


def read(
    name: str, size: tuple[int, int], parts: tuple[str, ...], source: Simulator, network: str | None = None
) -> BoxProtocol:
    """A file of the real data, whose classes have the order of those of the source."""
    with np.load(data_folder() / name) as arrays:
        target = images(arrays["unlabelled_jpeg"], arrays["unlabelled_offset"], size)[0]
        found = [images(arrays[f"{part}_jpeg"], arrays[f"{part}_offset"], size) for part in parts]
        boxes = [_boxes(arrays, part, len(shown), scale) for part, (shown, scale) in zip(parts, found, strict=True)]
    return BoxProtocol(
        source, target, torch.cat([shown for shown, _scale in found]), boxes[0].joined(*boxes[1:]), network
    )


def images(jpeg: np.ndarray, offset: np.ndarray, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Images reduced to `size` (N, 3, H, W) uint8, and by which factor of the width and of the height (2,)."""
    data, shown = jpeg.tobytes(), []
    for start, end in itertools.pairwise(offset):
        with Image.open(io.BytesIO(data[start:end])) as image:
            width, height = image.size
            shown.append(np.asarray(image.convert("RGB").resize(size[::-1], Image.Resampling.BOX)))
    whole = torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).contiguous()
    return whole, torch.tensor([size[1] / width, size[0] / height])


def _boxes(arrays: np.lib.npyio.NpzFile, part: str, count: int, scale: Tensor) -> Boxes:
    corners = torch.from_numpy(arrays[f"{part}_boxes"]) * scale.repeat(2)
    classes = torch.from_numpy(arrays[f"{part}_box_class"].astype(np.int64))
    image = torch.from_numpy(arrays[f"{part}_box_image"].astype(np.int64))
    return Boxes.of([corners[image == i] for i in range(count)], [classes[image == i] for i in range(count)])


def dice(parts: tuple[str, ...]) -> BoxProtocol:
    """Dice by a program outside, whose pips a small network from scratch does not learn to count in minutes."""
    source = simulator(str(DICE), size=(320, 320), channels=3)
    return read("real_dice.npz", (320, 320), parts, source, LITE)


PROTOCOLS: dict[str, Callable[[tuple[str, ...]], BoxProtocol]] = {
    "blood": lambda parts: read("real_blood_bccd.npz", (120, 160), parts, Blood()),
    "dice": dice,
}


def routes(network: str | None) -> dict[str, Route]:
    """The routes of the table. The randomized one is the fair baseline."""
    methods: dict[str, type[Objective]] = {
        BASELINE: SourceOnly,
        "dann": DANN,
        "cdan": CDAN,
        "teacher": Teacher,
        "mic": MIC,
    }
    randomized = {name: Route(randomize=Full(), adapt=method(network=network)) for name, method in methods.items()}
    return {"source only": Route(adapt=SourceOnly(network=network)), **randomized}


def resampled(predictions: list[Boxes], protocol: BoxProtocol, classes: tuple[str, ...]) -> tuple[list[float], Tensor]:
    """Mean over the seeds of the AP50 of each class and of all, and AP50 in each resample of the images (R,)."""
    whole = [box_metrics(found, protocol.boxes, classes) for found in predictions]
    each = [float(np.mean([one["ap50_of"][name] for one in whole])) for name in classes]
    generator, found = torch.Generator().manual_seed(0), []
    for _ in range(RESAMPLES):
        at = torch.randint(len(protocol.images), (len(protocol.images),), generator=generator)
        scores = [box_metrics(one[at], protocol.boxes[at], classes)["ap50"] for one in predictions]
        found.append(float(np.mean(scores)))
    return [*each, float(np.mean([one["ap50"] for one in whole]))], torch.tensor(found)


def ends(values: Tensor) -> list[float]:
    """A 95 % interval."""
    found: list[float] = values.quantile(torch.tensor([0.025, 0.975])).tolist()
    return found


def shown(interval: list[float]) -> str:
    return f"({interval[0]:.3f} to {interval[1]:.3f})"


def main() -> None:
    arguments = dense_arguments(__doc__, PROTOCOLS, steps=800, n=3000)
    protocol = PROTOCOLS[arguments.protocol](("dev", "score") if arguments.score else ("dev",))
    kind = "dev and score" if arguments.score else "dev"
    source = protocol.source.labelled(arguments.n, 0, "boxes")
    task, baseline = Detection.of(source), None
    print(f"{arguments.protocol}, {kind}, {len(protocol.images)} images, {arguments.seeds} seeds; {describe()}")
    for name, route in routes(protocol.network).items():
        if arguments.routes and name not in arguments.routes:
            continue
        started = time.perf_counter()
        found: list[Boxes] = []
        for seed in range(arguments.seeds):
            budget = Budget(steps=arguments.steps, batch=arguments.batch, seed=seed)
            model = route.run(source, Unlabelled(protocol.target), task=task, budget=budget).model
            boxes = model.predict(Unlabelled(protocol.images)).values
            assert isinstance(boxes, Boxes)
            found.append(boxes)
        seconds = (time.perf_counter() - started) / arguments.seeds
        figures, samples = resampled(found, protocol, task.classes)
        baseline = samples if name == BASELINE else baseline
        gain = None if baseline is None or name == BASELINE else ends(samples - baseline)
        of = dict(zip(task.classes, figures, strict=False))
        words = ", ".join(f"{one} {value:.2f}" for one, value in of.items())
        more = "" if gain is None else f"  gain {shown(gain)}"
        print(f"{name:12} {figures[-1]:.3f} {shown(ends(samples))}  {words}  {seconds:.0f} s{more}", flush=True)
        if arguments.score:
            low, high = ends(samples)
            settings = {key: getattr(arguments, key) for key in ("steps", "n", "seeds", "batch")}
            result = {"ap50": figures[-1], "low": low, "high": high, "ap50_of": of, "gain": gain, "seconds": seconds}
            keep({"protocol": f"boxes, {arguments.protocol}", "name": name, **result, **settings})


if __name__ == "__main__":
    main()
