"""What the readers of objects have in common: how an object is read, and what was found in it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from ...errors import InputError
from ..domains import Inputs
from ..fitting import Resize
from ..reading.pixels import Conversion

ONE_AT_A_TIME = threading.Lock()  # objects of users and lazily opened images, which threads may not read at once


@dataclass(frozen=True)
class Ask:
    """How an object is read.

    Args:
        labelled: whether labels are wanted; without, they are not even looked at.
        how: size, channels, depth and background of images.
        image: column of the images or of their paths, in a table or data set; None to find it.
        root: folder that relative paths start from.
        label: label columns of a table or data set, or labels; None to find the column.
        given: given columns of a table or data set, or their values (N, G).
        given_columns: names of given values.
        channels_last: whether arrays of images are (N, H, W, C); None to see it from the shape.
    """

    labelled: bool
    how: Conversion = field(default_factory=Conversion)
    image: str | None = None
    root: Path = Path()
    label: Any = None
    given: Any = None
    given_columns: tuple[str, ...] = ()
    channels_last: bool | None = None

    @classmethod
    def of(
        cls,
        *,
        labelled: bool,
        label: Any = None,
        image: str | None = None,
        root: str | Path = "",
        given: Any = None,
        given_columns: Sequence[str] = (),
        channels_last: bool | None = None,
        **conversion: Any,
    ) -> Self:
        """The arguments of `Labelled.of` and `Unlabelled.of`.

        Args:
            labelled, label, image, root, given, given_columns, channels_last: as above.
            conversion: of images, as in `load`: `size`, `channels`, `skip_bad`, `depth`, `background`, `memory`,
                `resize`.

        Raises:
            InputError: an argument does not exist, or as `Conversion`.
        """
        known = [one.name for one in fields(Conversion)]
        unknown = next((name for name in conversion if name not in known), None)
        if unknown is not None:
            own = ("image", "root", "given", "given_columns", "channels_last")
            raise InputError(f"of() has no argument '{unknown}', expected one of: {', '.join((*own, *known))}")
        how = Conversion(**conversion)
        return cls(labelled, how, image, Path(root), label, given, tuple(given_columns), channels_last)


@dataclass(frozen=True)
class Found:
    """What was found in an object.

    Args:
        inputs, sizes, depth, names, resize: as in `Unlabelled`.
        label: labels in any form that `labels_of` takes, one for each sample of the object; None without.
        classes: names of the classes, if the object knows them.
        given: values of the given columns (N, G), one for each sample of the object; None without.
        given_columns: their names.
        kept: indices of the samples of the object whose images could be read; None for all.
        count: number of samples of the object, if `kept` is not None.
    """

    inputs: Inputs
    sizes: Tensor | None = None
    depth: int | None = None
    names: tuple[str, ...] = ()
    label: Any = None
    classes: Sequence[str] = ()
    given: Any = None
    given_columns: tuple[str, ...] = ()
    kept: Sequence[int] | None = None
    count: int = 0
    resize: Resize = "stretch"


def is_of(value: object, package: str, *names: str) -> bool:
    """Whether a value is of a class of these names, or derived from one, of a package. Does not import the package."""
    return any(
        kind.__module__.split(".")[0] == package and (not names or kind.__name__ in names)
        for kind in type(value).__mro__
    )
