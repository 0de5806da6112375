"""UnityEyes: rendered eyes with gaze labels, read from the output files of the program."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from ..data.domains import Inputs, Labelled
from ..data.reading import memory
from ..data.reading.class_names import natural_key
from ..data.reading.loading import Size
from ..errors import InputError
from ..tasks.directions import to_angles

PAGE = "https://www.cl.cam.ac.uk/research/rainbow/projects/unityeyes/"
COLUMNS = ("pitch", "yaw", "iris_x", "iris_y")
ZOOM = 1.5  # width of the crop in widths of the eye, as in MPIIGaze
OUTER_CORNER = 8  # index in the 16 points of the inner margin of the lids; the caruncle is at the other corner
SHORTEST = 0.5  # length of a direction; one of length 0 says nothing, and is no gaze
REACH = 10  # sides of the image; an eye farther away is a damaged description
BATCH = 256  # images decoded at once

Box = tuple[float, float, float, float]


class EyeCrops:
    """Eye crops of rendered images that stay on disk. Threads decode and crop one batch at a time.

    `crops[index]` returns (B, 1, H, W) uint8.

    Args:
        files: the files of the whole images.
        boxes: left, top, right, bottom of the crop in each image, in pixels from the top-left corner of the image.
        size: height and width of the crops.
        equalise: equalise the histogram of each crop.
    """

    def __init__(self, files: Sequence[Path], boxes: Sequence[Box], size: Size, equalise: bool) -> None:
        self.files, self.boxes, self.size, self.equalise = list(files), list(boxes), size, equalise
        self.shape = torch.Size((len(self.files), 1, *size))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return torch.from_numpy(np.stack(list(pool.map(self._crop, index.tolist()))))[:, None]

    def _crop(self, i: int) -> NDArray[np.uint8]:
        left, top, right, bottom = self.boxes[i]
        outside = (int(np.floor(left)), int(np.floor(top)), int(np.ceil(right)), int(np.ceil(bottom)))
        within = (left - outside[0], top - outside[1], right - outside[0], bottom - outside[1])
        try:
            with Image.open(self.files[i]) as opened:
                # Pixels of the box outside the image are black.
                image = opened.convert("L").crop(outside)
        except Exception as error:  # decoders raise errors of any kind for damaged files
            raise InputError(
                f"{self.files[i]}: unreadable image ({error}). Repair it, or remove it with its .json"
            ) from None
        image = image.resize(self.size[::-1], Image.Resampling.BILINEAR, box=within)  # antialiased
        return np.asarray(ImageOps.equalize(image) if self.equalise else image)

    def decoded(self) -> Tensor:
        """All crops in memory, (N, 1, H, W) uint8."""
        images = torch.empty(self.shape, dtype=torch.uint8)
        for part in torch.arange(len(self)).split(BATCH):
            images[part] = self[part]
        return images


def unityeyes(
    folder: str | Path,
    *,
    label: Sequence[str] = COLUMNS[:2],
    size: Size = (36, 60),
    equalise: bool = True,
    limit: int | None = None,
) -> Labelled:
    """Load the images of UnityEyes, cropped to the eye: `1.jpg` with `1.json` beside it, and so on.

    The crop is centred on the bounding box of the lid margin. Its width is 1.5 times the distance from the caruncle to
    the outer corner. Crops stay in memory if they take at most 4 GiB. Otherwise each batch decodes its images from
    disk. The head pose is not read, because the sign of the camera angles is ambiguous.

    Args:
        folder: the folder `imgs` of the program.
        label: some of the columns `pitch`, `yaw` (gaze in the axes of the camera, radians, see `directions`), `iris_x`,
            `iris_y` (centre of the outline of the iris in pixels of the crop).
        size: height and width of the crops. Ratios other than 36:60 show more or less above and below the eye.
        equalise: equalise the histogram of each crop, as in MPIIGaze.
        limit: read only this number of images, in natural order of their names.

    Returns:
        Images (N, 1, H, W) uint8 with these columns. In every image, the nose is to the left of the eye.

    Raises:
        InputError: there is no data, or a file does not have the format of the program.

    References:
        Wood, Baltrusaitis, Morency, Robinson & Bulling (2016). Learning an appearance-based gaze estimator from one
        million synthesised images. ETRA.
    """
    folder = Path(folder)
    unknown = [name for name in label if name not in COLUMNS]
    if unknown or not label:
        raise InputError(f"label {', '.join(unknown) or 'is empty'}: expected some of {', '.join(COLUMNS)}")
    described = sorted(folder.glob("*.json"), key=lambda path: natural_key(path.name))[:limit]
    if not described:
        raise InputError(
            f"{folder}: found no .json, expected the folder 'imgs' of UnityEyes with 1.jpg, 1.json and so on. "
            f"The program that renders them is at {PAGE}"
        )
    files = [path.with_suffix(".jpg") for path in described]
    boxes, values = zip(*(_read(text, file, size) for text, file in zip(described, files, strict=True)), strict=True)
    labels = torch.tensor(values)[:, [COLUMNS.index(name) for name in label]]
    crops = EyeCrops(files, boxes, size, equalise)
    inputs: Inputs = crops.decoded() if crops.shape.numel() <= memory.limit() else crops
    return Labelled(inputs, labels, columns=tuple(label), names=tuple(file.name for file in files))


def _read(path: Path, image: Path, size: Size) -> tuple[Box, list[float]]:
    """The crop box of an image, and its labels in the order of `COLUMNS`."""
    if not image.is_file():
        raise InputError(
            f"{path}: describes {image.name}, but there is no such file. Remove it, or render the image again"
        )
    try:
        with Image.open(image) as opened:
            height, farthest = opened.height, REACH * max(opened.size)
        described = json.loads(path.read_text())
        margin, caruncle, iris = (
            _points(described[f"{n}_2d"], height) for n in ("interior_margin", "caruncle", "iris")
        )
        x, y, z = _numbers(described["eye_details"]["look_vec"])[:3]
        if not SHORTEST <= math.hypot(x, y, z) <= 1 / SHORTEST:
            raise ValueError(f"look_vec is {x}, {y}, {z}, expected a direction of length 1")
        if not all(np.abs(points).max() <= farthest for points in (margin, caruncle, iris)):
            raise ValueError("points of the eye are far outside the image")
        box = _box(margin, caruncle, size)
        angles = to_angles(torch.tensor([[x, -y, z]]))[0]  # y of UnityEyes points up
        values = [*angles.tolist(), *((iris.mean(0) - box[:2]) * size[1] / (box[2] - box[0]) - 0.5).tolist()]
        if not all(abs(value) <= farthest for value in (*box, *values)):
            raise ValueError(f"the eye is at {box}, outside the image")
    except Exception as error:  # decoders, and descriptions of any form
        raise InputError(
            f"{path}: is not in the format of UnityEyes, or its .jpg is damaged "
            f"({type(error).__name__}: {error}). Render it again"
        ) from None
    return box, values


def _box(margin: NDArray[np.float64], caruncle: NDArray[np.float64], size: Size) -> Box:
    width = ZOOM * abs(float(caruncle[:, 0].mean() - margin[OUTER_CORNER, 0]))
    if not width >= 1:
        raise ValueError(f"the eye is {width} pixels wide")
    x, y = (margin.min(0) + margin.max(0)) / 2
    height = width * size[0] / size[1]
    return float(x - width / 2), float(y - height / 2), float(x + width / 2), float(y + height / 2)


def _points(texts: Any, height: int) -> NDArray[np.float64]:
    """Points (K, 2) in pixels from the top-left corner. The texts `(x, y, z)` have y from the bottom."""
    x, y = np.array([_numbers(text)[:2] for text in texts]).T
    return np.stack([x, height - y], 1)


def _numbers(text: str) -> list[float]:
    numbers = [float(one) for one in text.strip().strip("()").split(",")]
    if not np.isfinite(numbers).all():
        raise ValueError(f"found {text}")
    return numbers
