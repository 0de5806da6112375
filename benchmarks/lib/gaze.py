"""The protocol *gaze*: from rendered eyes to the gaze of one person's real eyes, by day, in degrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.lib.protocols import data_folder
from synth2real import Labelled, Unlabelled

COLUMNS = ("pitch", "yaw")
HEAD = ("head_pitch", "head_yaw")


@dataclass(frozen=True)
class GazeProtocol:
    """Unlabelled real eyes, and two separate sets with gaze labels; all have the head's angles as given columns.

    Args:
        dev_day, score_day: the day of each labelled image, (N,) int64.
    """

    target: Unlabelled
    dev: Labelled
    score: Labelled
    dev_day: torch.Tensor
    score_day: torch.Tensor


def gaze_protocol() -> GazeProtocol:
    """MPIIGaze, participant p00: 36 by 60 pixels, histogram-equalised, left eyes mirrored as published."""
    with np.load(data_folder() / "real_gaze_mpiigaze_p00.npz") as arrays:
        held = {name: torch.from_numpy(arrays[name]) for name in arrays.files}

    def labelled(part: str) -> Labelled:
        return Labelled(
            held[f"{part}_images"][:, None],
            held[f"{part}_pitch_yaw"],
            columns=COLUMNS,
            given=held[f"{part}_head_pitch_yaw"],
            given_columns=HEAD,
        )

    target = Unlabelled(held["unlabelled_images"][:, None], given=held["unlabelled_head_pitch_yaw"], given_columns=HEAD)
    return GazeProtocol(target, labelled("dev"), labelled("score"), held["dev_day"], held["score_day"])
