"""UnityEyes and MPIIGaze as formats of `data.formats`: eye crops of 36 by 60 pixels with their gaze, pitch and yaw."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.domains import Inputs, Labelled
from ..data.formats import Format
from ..data.formats.record import Instance, Point, Record, Unpacked
from ..data.formats.shared.files import head_of, some_of
from .mpii_gaze import LISTS, NORMALIZED, mpiigaze
from .unity_eyes import COLUMNS, unityeyes

MARK = b'"interior_margin_2d"'  # in the JSON of an eye
IMAGES = "imgs"  # folder of the program
EYE = "eye"


class Crop(Unpacked):
    """One of the images of a loaded set."""

    def __init__(self, name: str, inputs: Inputs, index: int) -> None:
        super().__init__(name)
        self.inputs, self.index = inputs, index

    def pixels(self) -> NDArray[np.uint8]:
        pixels: NDArray[np.uint8] = self.inputs[torch.tensor([self.index])][0, 0].numpy()
        return pixels


def _eyes(path: Path) -> Path:
    return path / IMAGES if (path / IMAGES).is_dir() else path


def unity_eyes_found(path: Path) -> bool:
    """Whether there are files `1.json` with the margin of an eye."""
    return any(MARK in head_of(file) for file in some_of(_eyes(path), ".json")[:2])


def read_unity_eyes(path: Path) -> Iterator[Record]:
    """The eyes, cropped as `unityeyes` does, with `pitch`, `yaw` and the point `iris`."""
    return _records(unityeyes(_eyes(path), label=COLUMNS), path)


def mpiigaze_found(path: Path) -> bool:
    """Whether there is the folder of the normalised eyes."""
    return (path / NORMALIZED).is_dir()


def read_mpiigaze(path: Path) -> Iterator[Record]:
    """The eyes of the authors' list, or without it all, with the directions of gaze and head and the `person`."""
    people = mpiigaze(path, subset="evaluation" if (path / LISTS).is_dir() else "all", head_pose=True)
    persons = [people.names[i] for i in people.person.tolist()]
    return _records(people.data, path, [{"person": person} for person in persons])


def _records(data: Labelled, path: Path, more: list[dict[str, Any]] | None = None) -> Iterator[Record]:
    for i, (name, row) in enumerate(zip(data.names, data.labels.tolist(), strict=True)):
        values = dict(zip(data.columns, row, strict=True))
        instances: tuple[Instance, ...] = ()
        if "iris_x" in values:
            iris = Point(values.pop("iris_x"), values.pop("iris_y"))
            instances = (Instance(EYE, points={"iris": iris}),)
        values |= {} if more is None else more[i]
        size = (data.shape[1], data.shape[2])
        yield Record(
            name.replace(".jpg ", "_") + ("" if name.endswith(".jpg") else ".png"),
            Crop(name, data.inputs, i),
            size,
            values,
            instances,
            described=path,
        )


UNITY_EYES = Format("unityeyes", "UnityEyes", unity_eyes_found, read_unity_eyes)
MPII_GAZE = Format("mpiigaze", "MPIIGaze", mpiigaze_found, read_mpiigaze)
