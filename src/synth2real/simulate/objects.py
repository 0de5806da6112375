"""Objects in rendered images: instances with a box each, and their annotations in the format of COCO."""

import json
from collections.abc import Iterator
from itertools import dropwhile, groupby, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.labels import Boxes
from ..engines import Span
from ..errors import InputError
from ..storage import append_line, whole
from .base import Simulator

ANNOTATIONS = "annotations.json"
BEGIN = '"annotations": ['  # of the line before the annotations, each of which has a line of its own
Plain = dict[str, Any]


def instances_of(owner: Tensor, image: Tensor, classes: Tensor, corners: Tensor | None = None) -> tuple[Tensor, Boxes]:
    """Number the visible objects of each image, and put a box around each.

    Args:
        owner: (N, H, W) int64, index of the object (0..M-1) that is visible in a pixel, -1 for none.
        image: (M,) int64, image of each object, in ascending order.
        classes: (M,) int64, class of each object.
        corners: (M, 4) float32, corners of their boxes. None: around the visible pixels of each.

    Returns:
        instances: (N, H, W) int32, 0 none, else 1 + index of the object among the visible ones of its image.
        boxes: of the visible objects in that order.
    """
    n, height, width = owner.shape
    at = (owner.flatten() >= 0).nonzero()[:, 0]
    seen = owner.flatten()[at]
    visible = torch.zeros(len(image), dtype=torch.bool, device=owner.device).index_fill_(0, seen, True)
    offsets = torch.zeros(n + 1, dtype=torch.int64, device=owner.device)
    offsets[1:] = torch.bincount(image[visible], minlength=n).cumsum(0)
    number = visible.cumsum(0)  # from 1, over all images
    instances = torch.zeros(owner.numel(), dtype=torch.int32, device=owner.device)
    instances[at] = (number - offsets[image])[seen].int()
    if corners is None:
        box, x, y = number[seen] - 1, at % width, at // width % height
        bounds = [
            x.new_zeros(int(offsets[-1])).scatter_reduce(0, box, place, how, include_self=False)
            for place, how in ((x, "amin"), (y, "amin"), (x + 1, "amax"), (y + 1, "amax"))
        ]
        found = torch.stack(bounds, 1).float()
    else:
        found = corners[visible]
    return instances.view(owner.shape), Boxes(found, classes[visible], offsets)


def run_lengths(instances: NDArray[np.int32]) -> list[list[int]]:
    """The uncompressed RLE of COCO of each instance of an image (H, W), in the order of their indices.

    The lengths of runs of pixels outside and inside the instance in turn, down the columns; the first run is outside
    and may be 0 long.
    """
    pixels = instances.T.ravel()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(pixels)) + 1])
    ends, values = np.append(starts[1:], len(pixels)), pixels[starts]
    order = np.argsort(values, kind="stable")
    bounds = np.searchsorted(values[order], np.arange(1, int(instances.max()) + 2))
    found = []
    for first, last in pairwise(bounds):
        runs = order[first:last]
        edges = np.stack([starts[runs], ends[runs]], 1).ravel()
        found.append(np.diff(edges, prepend=0, append=len(pixels)).tolist())
        if edges[-1] == len(pixels):
            found[-1].pop()  # no run of length 0 at the end
    return found


def annotations_of(instances: NDArray[np.int32] | None, boxes: Boxes) -> list[Plain]:
    """For each object of an image its annotation, still without ids.

    Args:
        instances: (H, W) as in `Drawn`. None: there are no segmentations, and areas are those of the boxes.
        boxes: as in `Drawn`, of this one image.
    """
    found: list[Plain] = []
    for (left, top, right, bottom), kind, ignored in zip(
        boxes.corners.tolist(), boxes.classes.tolist(), boxes.ignored.tolist(), strict=True
    ):
        width, height = right - left, bottom - top
        box = {"category_id": kind + 1, "bbox": [left, top, width, height], "area": width * height}
        found.append(box | {"iscrowd": int(ignored)})
    if instances is None:
        return found
    height, width = instances.shape
    return [
        one | {"area": sum(counts[1::2]), "segmentation": {"size": [height, width], "counts": counts}}
        for one, counts in zip(found, run_lengths(instances), strict=True)
    ]


def read_annotations(file: Path, images: Span) -> Iterator[list[Plain]]:
    """The annotations of each image in a file that `AnnotationFile` has written, without ids, read line by line.

    Raises:
        InputError: the file is missing, or is not as it was written.
    """
    try:
        groups = groupby(_annotations_in(file), key=lambda one: one.pop("image_id"))
        image, held = next(groups, (None, iter(())))
        for i in range(images.first, images.end):
            found: list[Plain] = []
            if image == i:
                found = [{name: value for name, value in one.items() if name != "id"} for one in held]
                image, held = next(groups, (None, iter(())))
            if image is not None and not i < image < images.end:
                raise ValueError(f"found image {image} after {i}")
            yield found
    except (OSError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(f"{file}: is not as it was rendered ({error}). Render it again") from None


def _annotations_in(file: Path) -> Iterator[Plain]:
    ended = False
    with file.open(encoding="utf-8") as lines:
        rest = dropwhile(lambda line: not line.startswith(BEGIN), lines)
        for line in rest:
            text = line.removeprefix(BEGIN).strip()
            ended = ended or text.endswith("]}")  # all lines but the last one end with a comma
            text = text.removesuffix("]}") if ended else text.removesuffix(",")
            if text:
                yield json.loads(text)
    if not ended:
        raise ValueError("it has no end")


class AnnotationFile:
    """`annotations.json` of a folder in the making: one line for each image, until all are there.

    Args:
        folder: the folder.
        simulator: that renders its images.
        first: number of the first image.
    """

    def __init__(self, folder: Path, simulator: Simulator, first: int = 0) -> None:
        self.folder, self.simulator, self.first = folder, simulator, first
        self.lines = folder / f"{ANNOTATIONS}l"

    def kept(self, most: int) -> int:
        """Keep the lines of at most the first `most` images that an earlier process has left; how many there are."""
        count = 0
        if self.lines.is_file():
            with whole(self.lines) as partial, partial.open("w", encoding="utf-8") as file:
                for line in islice(self._lines(), most):
                    if line.endswith("\n"):  # the last one may be torn
                        file.write(line)
                        count += 1
        return count

    def add(self, annotations: list[Plain] | None) -> None:
        """Add the annotations of the next image, if the simulator has objects."""
        if annotations is not None:
            append_line(self.lines, json.dumps(annotations))

    def finish(self) -> None:
        """Write the file of COCO. Ids of images are from 0, as in their names; those of the others from 1."""
        height, width = self.simulator.size
        with whole(self.folder / ANNOTATIONS) as partial, partial.open("w", encoding="utf-8") as file:
            file.write('{"categories": ')
            json.dump([{"id": i, "name": name} for i, name in enumerate(self.simulator.things, start=1)], file)
            file.write(',\n"images": [')
            for i, _ in enumerate(self._lines(), start=self.first):
                one = {"id": i, "file_name": f"{i:06d}.png", "width": width, "height": height}
                file.write(f"{',' if i > self.first else ''}\n{json.dumps(one)}")
            file.write(f"],\n{BEGIN}")
            count = 0
            for i, line in enumerate(self._lines(), start=self.first):
                for one in json.loads(line):
                    count += 1
                    file.write(f"{',' if count > 1 else ''}\n{json.dumps({'id': count, 'image_id': i} | one)}")
            file.write("]}\n")
        self.lines.unlink()

    def _lines(self) -> Iterator[str]:
        with self.lines.open(encoding="utf-8") as file:
            yield from file
