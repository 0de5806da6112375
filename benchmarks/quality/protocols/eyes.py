"""Quality from rendered eyes to real webcam eyes: the centre of the iris.

`--source narrow` renders with every range a fifth as wide. The gap is then large, and the routes differ more.

    python -m benchmarks.quality.protocols.eyes [--source narrow] [--score]
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.lib.points import PointProtocol, bench
from benchmarks.lib.protocols import data_folder
from synth2real import Labelled, Unlabelled
from synth2real.simulate import Eyes, Simulator
from synth2real.tasks import Keypoints

DEV = 60  # the first labelled images are the dev part, the others the score part
NARROW = 0.2
EYE_SOURCE = Eyes(size=(36, 60), label="iris")


def eyes(name: str = "eyes", source: Simulator = EYE_SOURCE) -> PointProtocol:
    """MPIIGaze, participant p00, at 36 by 60 pixels."""
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
    """The same protocol with a simulator that has ranges a fifth as wide."""
    return eyes("eyes, narrow source", EYE_SOURCE.widened(NARROW))


if __name__ == "__main__":
    bench({"wide": eyes, "narrow": narrow}, __doc__)
