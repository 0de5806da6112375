"""Legends: what the values of mask files mean, from `classes.yaml` beside them, or counted.

{0: background, 1: nucleus}                                 # names of ids
{background: 0, cell: [1, 2], ignore: [255]}                # several ids of one class; ids that count nowhere
{road: {id: 7, colour: "#804080"}, car: "#00008e"}          # colours of colour-coded masks
{0: background, 1: nucleus, instances: foreground}          # every id above 0 is an object of the second class
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from ...errors import InputError
from ...settings import read_yaml
from ..labels import IGNORED
from .regions import BACKGROUND, MASK

FILE = "classes.yaml"
IGNORE, INSTANCES, FOREGROUND = "ignore", "instances", "foreground"  # words that are no names of classes
WHITE = 255  # of a mask of black and white
MOST_IDS = 2**16
EXPECTED = "names of the ids of masks, such as {0: background, 1: nucleus, ignore: [255]}"
Colour = tuple[int, int, int]
Value = TypeVar("Value", int, Colour)


@dataclass(frozen=True)
class Legend:
    """What the values of mask files mean.

    Args:
        classes: names of the classes; the first is the background.
        ids: index of the class of each id, `IGNORED` for those that count nowhere.
        colours: the same of each colour (red, green, blue).
        instances: whether every other id is an object of the second class.
        said: where it is from, for messages.
        mend: what to do about an id or colour that is not in it.
    """

    classes: tuple[str, ...]
    ids: Mapping[int, int] = field(default_factory=dict)
    colours: Mapping[Colour, int] = field(default_factory=dict)
    instances: bool = False
    said: str = FILE
    mend: str = f"Name it there, or add it to `{IGNORE}`"

    def of_ids(self, ids: NDArray[Any]) -> NDArray[np.uint8]:
        """Indices of classes (H, W) of ids (H, W).

        Raises:
            ValueError: an id is not in the legend.
        """
        if self.instances:
            found = (ids > 0).astype(np.uint8)
            for one, index in self.ids.items():
                if index == IGNORED:
                    found[ids == one] = IGNORED
            return found
        if ids.dtype != np.uint8:
            return _looked_up(ids, lambda one: self._index(int(one)))
        table = np.zeros(256, np.uint8)
        for one in np.flatnonzero(np.bincount(ids.ravel(), minlength=256)).tolist():
            table[one] = self._index(one)
        indices: NDArray[np.uint8] = table[ids]
        return indices

    def of_colours(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Indices of classes (H, W) of colours (H, W, 3). Raise `ValueError` if a colour is not in the legend."""
        wide = pixels.astype(np.int32)
        packed = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
        return _looked_up(packed, lambda one: self._coloured((one >> 16, one >> 8 & 255, one & 255)))

    def _index(self, one: int) -> int:
        index = self.ids.get(one, IGNORED if one == WHITE else None)
        if index is None:
            raise ValueError(
                f"holds the id {one}, which is not in {self.said}, expected {_some(self.ids)}. {self.mend}"
            )
        return index

    def _coloured(self, colour: Colour) -> int:
        if colour not in self.colours:
            raise ValueError(
                f"holds the colour {written(colour)}, which is not in {self.said}, expected "
                f"{_some(map(written, self.colours))}. {self.mend}"
            )
        return self.colours[colour]


def written(colour: Sequence[int]) -> str:
    """A colour as `#rrggbb`."""
    return "#" + "".join(f"{part:02x}" for part in colour)


def _looked_up(values: NDArray[Any], index: Any) -> NDArray[np.uint8]:
    known, at = np.unique(values, return_inverse=True)
    found: NDArray[np.uint8] = np.array([index(one) for one in known.tolist()], np.uint8)[at.reshape(values.shape)]
    return found


def _some(names: Iterable[Any]) -> str:
    shown = [str(name) for name in names]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")


def read_legend(folders: Iterable[Path]) -> Legend | None:
    """The legend in the first of these folders that has a `classes.yaml`; None without one.

    Raises:
        InputError: it is none, or names a class, an id or a colour in two ways.
    """
    file = next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)
    if file is None:
        return None
    plain: dict[Any, Any] = read_yaml(file, EXPECTED)
    try:
        return _parsed(plain, str(file))
    except ValueError as error:
        raise InputError(f"{file}: {error}, expected {EXPECTED}") from None


def _parsed(plain: dict[Any, Any], said: str) -> Legend:
    instances = plain.get(INSTANCES)
    if instances not in (None, FOREGROUND):
        raise ValueError(f"`{INSTANCES}` is {instances!r}, which is not `{FOREGROUND}`")
    entries = [_entry(key, value) for key, value in plain.items() if key not in (IGNORE, INSTANCES)]
    entries.sort(key=lambda one: min(one[1], default=MOST_IDS))  # those without ids as they stand in the file
    classes = tuple(dict.fromkeys(name for name, _, _ in entries))
    if not classes:
        raise ValueError("names no class")
    if instances and len(classes) != 2:
        raise ValueError(f"`{INSTANCES}: {FOREGROUND}` with {len(classes)} classes, but it needs two")
    ids: dict[int, int] = {}
    colours: dict[Colour, int] = {}
    for name, own, shown in [*entries, (IGNORE, *_values(plain.get(IGNORE)))]:
        index = IGNORED if name == IGNORE else classes.index(name)
        _put(ids, own, index, name)
        _put(colours, shown, index, name)
    return Legend(classes, ids, colours, bool(instances), said)


def _put(known: dict[Value, int], values: Iterable[Value], index: int, name: str) -> None:
    """Set the index of values that have none yet."""
    for value in values:
        if known.setdefault(value, index) != index:
            raise ValueError(f"{value} is of two classes, one of them '{name}'")


def _entry(key: Any, value: Any) -> tuple[str, list[int], list[Colour]]:
    """The name of a class, its ids and its colours."""
    if isinstance(key, int) and not isinstance(key, bool):
        named = value if isinstance(value, dict) else {"name": value}
        name, values = named.get("name"), {**named, "id": key}
        values.pop("name", None)
    else:
        name, values = key, value
    if isinstance(name, bool) or not isinstance(name, str | int) or not str(name).strip():
        raise ValueError(f"found {name!r} where the name of a class should be; put names in quotes")
    ids, colours = _values(values)
    if not ids and not colours:
        raise ValueError(f"the class '{name}' has neither an id nor a colour")
    return str(name), ids, colours


def _values(value: Any) -> tuple[list[int], list[Colour]]:
    """The ids and colours of a class: a number, `#rrggbb`, a list of these, or `{id: ..., colour: ...}`."""
    if value is None:
        return [], []
    if isinstance(value, dict):
        wrong = [key for key in value if key not in ("id", "colour", "color")]
        if wrong:
            raise ValueError(f"found {wrong[0]!r}, where id or colour should be")
        colour = value.get("colour", value.get("color"))
        return _values(value.get("id"))[0], [] if colour is None else [_colour(colour)]
    ids: list[int] = []
    colours: list[Colour] = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str | list):
            colours.append(_colour(one))
        elif isinstance(one, bool) or not isinstance(one, int) or not 0 <= one < MOST_IDS:
            raise ValueError(f"found {one!r} where an id from 0 to {MOST_IDS - 1} should be")
        else:
            ids.append(one)
    return ids, colours


def _colour(value: Any) -> Colour:
    if isinstance(value, list) and len(value) == 3 and all(isinstance(x, int) and 0 <= x < 256 for x in value):
        return value[0], value[1], value[2]
    try:
        red, green, blue = ImageColor.getrgb(value)[:3]
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"{value!r} is no colour such as '#804080' or [128, 64, 128]") from None
    return red, green, blue


def counted(values: Sequence[int], names: Sequence[str], what: str) -> Legend:
    """The legend of masks that nobody describes.

    Masks of only 0 and 255 are black and white: background and foreground. In others 255 counts nowhere, and every
    other value is a class of its own.

    Args:
        values: all that occur, in ascending order.
        names: of the classes, if they are known: of the values from 0 on, or of black and white. Without names the
            classes are called by their numbers, and the foreground `mask`.
        what: begins the message of an error.

    Raises:
        InputError: there are more values than names.
    """
    own = [one for one in values if one != WHITE]
    black_and_white = set(values) <= {0, WHITE} and WHITE in values
    if black_and_white and len(names) in (0, 2):
        return Legend(tuple(names) or (BACKGROUND, MASK), {0: 0, WHITE: 1})
    if names and (black_and_white or (own and own[-1] >= len(names))):
        found = "are black and white" if black_and_white else f"hold the id {own[-1]}"
        raise InputError(
            f"{what}: the masks {found}, but the classes are {', '.join(names)}, which are taken for the ids 0 to "
            f"{len(names) - 1}. Write a {FILE} beside the masks, with {EXPECTED}"
        )
    if names:
        return named(names, what)
    return Legend(tuple(map(str, own)), {one: i for i, one in enumerate(own)})


def named(classes: Sequence[str], said: str) -> Legend:
    """The legend of masks of class indices.

    Args:
        classes: their names.
        said: where these are from, for messages.
    """
    mend = "Name it there, or write 255 where pixels count nowhere"
    return Legend(tuple(classes), {i: i for i in range(len(classes))}, said=said, mend=mend)


def legend_text(classes: Sequence[str]) -> str:
    """The content of a `classes.yaml` for masks of class indices."""
    import yaml

    plain: dict[int | str, Any] = dict(enumerate(classes))
    return str(yaml.safe_dump(plain | {IGNORE: [IGNORED]}, sort_keys=False, allow_unicode=True))
