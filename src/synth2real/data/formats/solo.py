"""SOLO, the format of Unity Perception 1.0: a JSON for each frame, see its manual, Schema/SoloSchema.

Boxes, instance and semantic masks and keypoints of all cameras are read; depth, normals and 3D boxes are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..reading.class_names import natural_key
from ..reading.tables import is_file
from .base import Format
from .record import Instance, Picture, Point, Record, Region, Semantic
from .shared.files import below, folders_in, missing, numbers, read_json, some_of

DEFINITIONS = "annotation_definitions.json"
FRAMES = ("step*.frame_data.json", "step*.frame.json")  # as the package names them, and as its manual does
BOX, INSTANCES, SEMANTIC, POINTS = (
    f"unity.solo.{kind}Annotation"
    for kind in ("BoundingBox2D", "InstanceSegmentation", "SemanticSegmentation", "Keypoint")
)


def found(path: Path) -> bool:
    """Whether there are folders `sequence.N` with frames."""
    sequences = [folder for folder in folders_in(path) if folder.name.startswith("sequence.")]
    return any(file.match(frame) for folder in sequences[:1] for file in some_of(folder, ".json") for frame in FRAMES)


def frames(path: Path) -> list[Path]:
    """The JSON of each frame, in natural order."""
    files = [file for frame in FRAMES for file in path.glob(f"sequence.*/{frame}")]
    return sorted(files, key=lambda file: natural_key(file.relative_to(path).as_posix()))


def read(path: Path) -> Iterator[Record]:
    """The images of all cameras, in the order of the frames.

    Raises:
        InputError: a frame is broken, or an image or mask that it names is missing.
    """
    definitions = _Definitions.of(path)
    for file in frames(path):
        content = read_json(file)
        try:
            for capture in content.get("captures") or []:
                if capture.get("filename"):
                    yield _record(path, file, capture, definitions)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{file}: is not in the format of SOLO ({type(error).__name__}: {error}), expected captures with their "
                "annotations. Render the frame again"
            ) from None


@dataclass(frozen=True)
class _Definitions:
    """Names of labels by annotator and number, and names of keypoints by template and number."""

    labels: dict[str, dict[Any, str]] = field(default_factory=dict)
    points: dict[str, dict[int, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path) -> _Definitions:
        if not is_file(path / DEFINITIONS):
            return cls()
        labels: dict[str, dict[Any, str]] = {}
        points: dict[str, dict[int, str]] = {}
        for one in read_json(path / DEFINITIONS).get("annotationDefinitions") or []:
            spec = one.get("spec")
            if isinstance(spec, list):
                known = [s for s in spec if isinstance(s, dict)]
                labels[str(one.get("id"))] = {s.get("label_id"): str(s.get("label_name")) for s in known}
            template = one.get("template")
            if isinstance(template, dict):
                names = {point.get("index"): str(point.get("label")) for point in template.get("keypoints") or []}
                points[str(template.get("templateId"))] = names
        return cls(labels, points)

    def label(self, annotator: Any, value: dict[str, Any]) -> str | None:
        if value.get("labelName"):
            return str(value["labelName"])
        return self.labels.get(str(annotator), {}).get(value.get("labelId"))


def _record(path: Path, file: Path, capture: dict[str, Any], definitions: _Definitions) -> Record:
    image = _beside(file, capture["filename"], "images")
    width, height = (int(side) for side in numbers(capture["dimension"], 2))
    instances: dict[Any, Instance] = {}
    semantic = None
    for one in capture.get("annotations") or []:
        kind = str(one.get("@type", "")).removeprefix("type.unity.com/")
        if kind == SEMANTIC:
            raster = Picture(_beside(file, one["filename"], "masks"))
            semantic = Semantic(
                raster, {_colour(i["pixelValue"]): str(i["labelName"]) for i in one.get("instances") or []}
            )
        elif kind in (BOX, POINTS):
            for key, value in _numbered(one.get("values") or []):
                _merge(instances, key, _read_value(kind, one, value, definitions))
        elif kind == INSTANCES and one.get("instances"):
            raster = Picture(_beside(file, one["filename"], "masks"))
            for key, value in _numbered(one["instances"]):
                mask = Region(raster, _colour(value["color"]))
                _merge(instances, key, _named(one, value, definitions, mask=mask))
    return Record(below(image, path), image, (height, width), {}, tuple(instances.values()), semantic, file)


def _numbered(values: list[dict[str, Any]]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """What one annotator says of each object, by its `instanceId`; an object without one is none of the others.

    Raises:
        ValueError: two objects have one.
    """
    known = set()
    for value in values:
        key = value.get("instanceId")
        if key in known:
            raise ValueError(f"two objects of one annotator with the instanceId {key}")
        if key is not None:
            known.add(key)
        yield object() if key is None else key, value


def _merge(instances: dict[Any, Instance], key: Any, new: Instance) -> None:
    """Add what an annotator says of an object to what the others say of the same one."""
    old = instances.get(key)
    if old is not None:
        new = replace(
            old,
            category=old.category if old.category is not None else new.category,
            box=old.box or new.box,
            mask=old.mask or new.mask,
            points={**old.points, **new.points},
            unknown="" if old.category is not None or new.category is not None else old.unknown,
        )
    instances[key] = new


def _named(one: dict[str, Any], value: dict[str, Any], definitions: _Definitions, **parts: Any) -> Instance:
    label = definitions.label(one.get("id"), value)
    return Instance(
        label, id=value.get("instanceId"), unknown="" if label is not None else str(value.get("labelId")), **parts
    )


def _read_value(kind: str, one: dict[str, Any], value: dict[str, Any], definitions: _Definitions) -> Instance:
    if kind == BOX:
        (x, y), (width, height) = numbers(value["origin"], 2), numbers(value["dimension"], 2)
        return _named(one, value, definitions, box=(x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5))
    names = definitions.points.get(str(one.get("templateId")), {})
    points = {}
    for point in value.get("keypoints") or []:
        x, y = numbers(point["location"], 2)
        seen = int(point["state"])
        if seen not in (0, 1, 2):
            raise ValueError(f"a keypoint of the state {seen}, expected 0, 1 or 2")
        points[names.get(point["index"], str(point["index"]))] = Point(x - 0.5, y - 0.5, seen)
    return _named(one, value, definitions, points=points)


def _colour(values: Any) -> tuple[int, ...]:
    """Red, green, blue; the opacity is the same everywhere."""
    red, green, blue, *_ = (int(one) for one in numbers(values))
    return red, green, blue


def _beside(file: Path, name: Any, what: str) -> Path:
    found = file.parent / Path(str(name).replace("\\", "/")).name
    if not is_file(found):
        raise missing(file, [str(name)], 1, what)
    return found


SOLO = Format("solo", "Unity Perception SOLO", found, read)
