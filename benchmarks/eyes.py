"""Quality from rendered eyes to real webcam eyes: the centre of the iris. `python benchmarks/eyes.py [--score]`.

`--source narrow` renders with every range a fifth as wide, so that the gap is wide and the ways across it differ.
"""

from __future__ import annotations

import numpy as np
import torch
from points import PointProtocol, bench
from protocols import data_folder

from synth2real import Labelled, Unlabelled
from synth2real.simulate import Eyes, Simulator
from synth2real.tasks import Keypoints

DEV = 60  # the first labelled images; the others are scored
NARROW = 0.2
EYE_SOURCE = Eyes(size=(36, 60), label="iris")


def eyes(name: str = "eyes", source: Simulator = EYE_SOURCE) -> PointProtocol:
    """MPIIGaze, participant p00, at 36 by 60."""
    with np.load(data_folder() / "real_eyes_mpiigaze_p00.npz") as arrays:
        images, labelled = (torch.from_numpy(arrays[key])[:, None] for key in ("unlabelled", "iris_images"))
        points = torch.from_numpy(arrays["iris_xy"])
    columns = ("iris_x", "iris_y")
    dev, score = (
        (Labelled(labelled[part], points[part], columns=columns), torch.zeros(len(points[part])))
        for part in (slice(DEV), slice(DEV, None))
    )
    return PointProtocol(name, source, Keypoints(columns, (36, 60)), Unlabelled(images), dev, score, within=2.0)


def narrow() -> PointProtocol:
    """The same from a simulator whose ranges are a fifth as wide."""
    return eyes("eyes, narrow source", EYE_SOURCE.widened(NARROW))


if __name__ == "__main__":
    bench({"wide": eyes(), "narrow": narrow()})
