"""What a set of records holds: how many of each kind of label, and their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ...reading.class_names import class_name, natural_key
from ..record import OCCLUDED, UNSEEN, Instance, Record

SHOWN = 8  # names in a line
LABEL = "label"  # the column of the class of an image


@dataclass
class Summary:
    """What the images of a set hold: how many of each kind of label, and their names.

    Args:
        images: number of images.
        counts: of `instances`, `boxes`, `masks`, `points`, `hidden points`, `ignored`, `unnamed` and `semantic`.
        columns: values of each image-level column, in the order in which they came.
        named: values of the column `label`; None if one is no class.
        points: names of the points of each category.
        most: most instances in an image.
        numbers: the class of each number of the semantic masks; None if they are colours, or differ.
    """

    images: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    named: set[str] | None = field(default_factory=set)
    categories: Counter[str] = field(default_factory=Counter)
    points: dict[str, list[str]] = field(default_factory=dict)
    semantic: set[str] = field(default_factory=set)
    numbers: dict[int, str] | None = field(default_factory=dict)
    most: int = 0

    @classmethod
    def of(cls, records: Iterable[Record]) -> Summary:
        """What a set holds. Its images are not opened."""
        found = cls()
        for record in records:
            found.add(record)
        return found

    def add(self, record: Record) -> None:
        """Count one more image."""
        self.images += 1
        self.counts["instances"] += len(record.instances)
        for name, value in record.values.items():
            self.columns[name] += value is not None
            if name == LABEL and value is not None and self.named is not None:
                self.named = self.named | {class_name(value)} if isinstance(value, str | int) else None
        self.most = max(self.most, len(record.instances))
        for one in record.instances:
            self._add(one)
        if record.semantic is not None:
            self.counts["semantic"] += 1
            self.semantic.update(record.semantic.classes.values())
            for key, name in record.semantic.classes.items():
                if self.numbers is not None and isinstance(key, int) and self.numbers.setdefault(key, name) == name:
                    continue
                self.numbers = None

    def _add(self, one: Instance) -> None:
        present = {
            "boxes": one.box is not None,
            "masks": one.mask is not None,
            "points": any(point.visibility != UNSEEN for point in one.points.values()),
            "hidden points": any(point.visibility == OCCLUDED for point in one.points.values()),
            "ignored": one.ignored,
            "unnamed": one.category is None,
        }
        self.counts.update(name for name, there in present.items() if there)
        if one.category is not None:
            self.categories[one.category] += 1
            known = self.points.setdefault(one.category, [])
            known += [name for name in one.points if name not in known]

    @property
    def labels(self) -> list[str]:
        """The classes of the column `label`, in natural order; none if it holds other values."""
        return sorted(self.named or (), key=natural_key)

    @property
    def classes(self) -> list[str]:
        """Names of the categories, in natural order."""
        return sorted(self.categories, key=natural_key)

    @property
    def all_points(self) -> list[str]:
        """Names of the points of all categories."""
        return list(dict.fromkeys(name for names in self.points.values() for name in names))

    def mask_numbers(self) -> dict[str, int]:
        """The number of each class in semantic masks that are written: the given one, or else from 1."""
        if self.numbers is not None:
            return {name: number for number, name in self.numbers.items()}
        return {name: i for i, name in enumerate(sorted(self.semantic, key=natural_key), start=1)}

    def line(self) -> str:
        """`1,000 images, classes car, person, points iris`."""
        parts = [f"{self.images:,} image{'' if self.images == 1 else 's'}"]
        points = sorted(self.all_points, key=natural_key)
        for what, names in (("classes", self.classes), ("columns", list(self.columns)), ("points", points)):
            if names:
                more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
                parts.append(f"{what} {', '.join(names[:SHOWN])}{more}")
        return ", ".join(parts)
