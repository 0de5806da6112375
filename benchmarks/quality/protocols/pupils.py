"""Quality from rendered to real infrared eyes: the centre of the pupil.

`--source narrow` renders with every range a fifth as wide. The gap is then large, and the routes differ more.

    python -m benchmarks.quality.protocols.pupils [--source narrow] [--score]
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.lib.points import PointProtocol, bench
from benchmarks.lib.protocols import data_folder
from synth2real import Labelled, Unlabelled
from synth2real.simulate import Eyes, Simulator
from synth2real.tasks import Keypoints

DEV = (42, 44)  # persons of the dev part; the others are the score part
SIDE = 64  # pixels of a training image, half those of the original
NARROW = 0.2
PUPIL_SOURCE = Eyes(preset="infrared", size=(SIDE, SIDE), label="pupil")


def pupils(name: str = "pupils", source: Simulator = PUPIL_SOURCE) -> PointProtocol:
    """The MEYE set at 64 by 64 pixels. Errors are in pixels of the original 128 by 128 images."""
    with np.load(data_folder() / "real_pupils_meye.npz") as arrays:
        images, labelled = (_half(torch.from_numpy(arrays[key])) for key in ("unlabelled", "images"))
        points = (torch.from_numpy(arrays["pupil_xy"]) + 0.5) / 2 - 0.5
        person = torch.from_numpy(arrays["person"].astype(np.int64))
    columns = ("pupil_x", "pupil_y")
    is_dev = torch.isin(person, torch.tensor(DEV))
    dev, score = ((Labelled(labelled[part], points[part], columns=columns), person[part]) for part in (is_dev, ~is_dev))
    task = Keypoints(columns, (SIDE, SIDE))
    return PointProtocol(name, source, task, Unlabelled(images), dev, score, within=4.0, scale=2.0)


def _half(images: torch.Tensor) -> torch.Tensor:
    """Halve the size: (N, 128, 128) to (N, 1, 64, 64) uint8."""
    return F.interpolate(images[:, None].float(), (SIDE, SIDE), mode="area").round().to(torch.uint8)


def narrow() -> PointProtocol:
    """The same protocol with a simulator that has ranges a fifth as wide."""
    return pupils("pupils, narrow source", PUPIL_SOURCE.widened(NARROW))


if __name__ == "__main__":
    bench({"wide": pupils, "narrow": narrow}, __doc__)
