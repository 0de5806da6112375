"""BlenderProc's HDF5: one container a frame, with its image and segmentation maps, by `bproc.writer.write_hdf5`.

What it writes as COCO (`coco_data/coco_annotations.json`) is read as that. Depth and normals are not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ..reading.class_names import natural_key
from .base import Format
from .record import Instance, Raster, Record, Region, Semantic, Unpacked
from .shared.files import some_of
from .shared.shapes import box_around

SUFFIX, HEADER = ".hdf5", b"\x89HDF\r\n\x1a\n"
COLORS, CLASSES, INSTANCES, ATTRIBUTES = (
    "colors",
    "category_id_segmaps",
    "instance_segmaps",
    "instance_attribute_maps",
)
SIDES = ("", "_0", "_1")  # of a stereo pair
BACKGROUND = 0


def found(path: Path) -> bool:
    """Whether there are containers `0.hdf5` and so on."""
    return any(file.open("rb").read(len(HEADER)) == HEADER for file in some_of(path, SUFFIX)[:1])


def read(path: Path) -> Iterator[Record]:
    """The images of all containers, in natural order; both images of a stereo pair.

    Raises:
        InputError: h5py is not installed, or a container is broken.
    """
    h5py(path)
    files = [file for file in path.iterdir() if file.suffix.lower() == SUFFIX and not file.name.startswith(".")]
    for file in sorted(files, key=lambda one: natural_key(one.name)):
        with opened(file) as container:
            keys = set(container)
        sides = [side for side in SIDES if COLORS + side in keys]
        if not sides:
            raise InputError(
                f"{file}: holds {', '.join(sorted(keys)) or 'nothing'}, expected '{COLORS}'. Render it again"
            )
        for side in sides:
            yield _record(file, side, keys)


def h5py(path: Path) -> Any:
    """The package h5py. Raise `InputError` if it is not installed."""
    try:
        return import_module("h5py")
    except ImportError:
        raise InputError(
            f"{path}: HDF5 needs the package h5py, which is not installed. Install it: "
            "pip install 'synth2real[formats]'"
        ) from None


def opened(file: Path) -> Any:
    """A container, open for reading."""
    try:
        return h5py(file).File(file, "r")
    except OSError as error:
        raise InputError(f"{file}: is no HDF5 container, or not a whole one ({error}). Render it again") from None


def array_of(file: Path, key: str) -> NDArray[Any]:
    """An array of a container; the last ones are kept, as all instances of an image share one."""
    return _array(file, key, file.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _array(file: Path, key: str, _changed: int) -> NDArray[Any]:
    with opened(file) as container:
        try:
            found: NDArray[Any] = np.asarray(container[key])
        except (KeyError, OSError) as error:
            raise InputError(f"{file}: the array '{key}' cannot be read ({error}). Render it again") from None
    return found


@dataclass(frozen=True)
class Layer(Raster):
    """A segmentation map of a container."""

    file: Path
    key: str

    def array(self) -> NDArray[Any]:
        return array_of(self.file, self.key)


class Frame(Unpacked):
    """The image of a container."""

    def __init__(self, file: Path, key: str) -> None:
        super().__init__(f"{file}:{key}")
        self.file, self.key = file, key

    def pixels(self) -> NDArray[np.uint8]:
        array = array_of(self.file, self.key)
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (1, 3, 4):
            raise ValueError(f"'{self.key}' of {array.dtype} {array.shape}, expected uint8 (H, W, 3)")
        return array[..., 0] if array.shape[2] == 1 else array


def _record(file: Path, side: str, keys: set[str]) -> Record:
    attributes = _attributes(file, keys, side)
    classes = {int(one["category_id"]): _class(one) for one in attributes if "category_id" in one}
    instances: tuple[Instance, ...] = ()
    size = None
    if INSTANCES + side in keys:
        layer = Layer(file, INSTANCES + side)
        shown = set(np.unique(layer.array()).tolist())
        size = (layer.array().shape[0], layer.array().shape[1])
        instances = tuple(
            _instance(one, layer) for one in attributes if one.get("idx") in shown and not _is_background(one)
        )
    semantic = None
    if CLASSES + side in keys:
        layer = Layer(file, CLASSES + side)
        numbers = {int(one) for one in np.unique(layer.array())} - {BACKGROUND}
        semantic = Semantic(layer, {one: classes.get(one, str(one)) for one in numbers})
    name = file.stem + (f"{side}" if side else "")
    return Record(f"{name}.png", Frame(file, COLORS + side), size, {}, instances, semantic, file)


def _is_background(one: dict[str, Any]) -> bool:
    return str(one.get("category_id", one.get("class", ""))) == str(BACKGROUND)


def _class(one: dict[str, Any]) -> str:
    """The class of an object: its category's name where it is written, else the number, else the object's name."""
    return str(one.get("class", one.get("category_name", one.get("category_id", one.get("name")))))


def _instance(one: dict[str, Any], layer: Layer) -> Instance:
    mask = Region(layer, int(one["idx"]))
    return Instance(_class(one), box_around(mask.pixels(0, 0)), mask, id=int(one["idx"]))


def _attributes(file: Path, keys: set[str], side: str) -> list[dict[str, Any]]:
    """What the container says of each instance: `idx`, and what was asked for, such as `name` and `category_id`."""
    key = next((one for one in (ATTRIBUTES + side, ATTRIBUTES) if one in keys), None)
    if key is None:
        return []
    with opened(file) as container:
        packed = container[key][()]
    try:
        found = json.loads(packed if isinstance(packed, bytes | str) else np.asarray(packed).item())
        return [one for one in found if "idx" in one]
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{file}: '{key}' is not JSON ({error}), expected a list of instances. Render it again"
        ) from None


BLENDERPROC = Format("blenderproc", "BlenderProc HDF5", found, read)
