"""A few labelled real samples: they correct a trained model. They are a type of their own, and never choose one.

load_few_labels("labelled/", label=["pitch", "yaw"], group="person")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from .described import line, some
from .domains import Inputs, Labelled, Unlabelled
from .fitting import USUAL, Resize
from .groups import Groups, read_group_names
from .reading.class_names import as_classes
from .reading.loading import Channels, Size, load
from .sparse import Layout

MOST = 200  # labels; with more, they are a labelled source
SHARED = (
    "inputs",
    "labels",
    "classes",
    "columns",
    "names",
    "sizes",
    "given",
    "given_columns",
    "resize",
)  # with `Labelled`


@dataclass(frozen=True)
class FewLabels:
    """One to 200 real samples with labels, which correct a model that was trained without them.

    Training objectives, validators, early stopping and the choice of `compare` take `Unlabelled` real data. None of
    them takes this type, so these labels cannot choose anything.

    Args:
        inputs, labels, classes, columns, names, sizes, given, given_columns, resize: as in `Labelled`. No label is nan.
        groups: name of the group (person, camera) of each sample, N texts; empty without groups. With several groups
            the model gets a correction for each.

    Raises:
        InputError: as `Labelled`; or there are more than 200 samples, a label is nan, or `groups` has another length.
    """

    inputs: Inputs
    labels: Tensor
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    sizes: Tensor | None = None
    groups: tuple[str, ...] = ()
    given: Tensor | None = None
    given_columns: tuple[str, ...] = ()
    resize: Resize = "stretch"

    def __post_init__(self) -> None:
        labelled = self.labelled()  # checks shapes and types, and names classes and columns
        if not isinstance(self.labels, Tensor):
            raise InputError(
                f"the few labels are {type(self.labels).__name__.lower()}, which correct no model, expected classes or "
                "values. Train with them as a part of the source"
            )
        object.__setattr__(self, "classes", labelled.classes)
        object.__setattr__(self, "columns", labelled.columns)
        object.__setattr__(self, "groups", tuple(map(str, self.groups)))
        if len(self) > MOST:
            raise InputError(
                f"{len(self)} few labels, expected at most {MOST}. Leave some out, or give all of them as a labelled "
                "source: synth2real train SYNTHETIC REAL --target ..."
            )
        unknown = (~self.labels.isfinite()).nonzero()
        if len(unknown):
            row, column = unknown[0].tolist()
            raise InputError(
                f"the few label '{self.columns[column]}' of {self.name(row)} is not a number, expected every label. "
                "Leave this sample out"
            )
        if self.groups and len(self.groups) != len(self):
            raise InputError(f"{len(self)} few labels but {len(self.groups)} groups, expected the same number of each")

    @classmethod
    def of(cls, data: Labelled, groups: Sequence[str] = ()) -> FewLabels:
        """Labelled samples as few labels, with the name of the group of each."""
        return cls(**{name: getattr(data, name) for name in SHARED}, groups=tuple(groups))

    def __repr__(self) -> str:
        named = some(self.classes, "classes") or some(self.columns, "values")
        groups, given = some(self.group_names, "groups"), some(self.given_columns, "given")
        return line("FewLabels", self.inputs, named, groups, given)

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample: (C, H, W) or (F,)."""
        return tuple(self.inputs.shape[1:])

    @property
    def group_names(self) -> tuple[str, ...]:
        """The different groups, in natural order."""
        return as_classes(self.groups)[1] if self.groups else ()

    @property
    def group_index(self) -> Groups:
        """Index into `group_names` of each sample, (N,) int64; None without groups."""
        return as_classes(self.groups)[0] if self.groups else None

    def name(self, index: int) -> str:
        """A sample in a message: its file, or its number."""
        return self.names[index] if self.names else f"sample {index}"

    def labelled(self) -> Labelled:
        """The samples as labelled data, to score a model on."""
        return Labelled(**{name: getattr(self, name) for name in SHARED})

    def unlabelled(self) -> Unlabelled:
        """The samples without their labels."""
        return self.labelled().unlabelled()

    def subset(self, index: Tensor) -> FewLabels:
        """The samples at `index` (B,) int64, in that order."""
        groups = [self.groups[i] for i in index.tolist()] if self.groups else ()
        return FewLabels.of(self.labelled().subset(index), groups)

    def also_in(self, other: Labelled) -> list[str]:
        """Names of the samples whose inputs are also in other data, bit by bit; empty if the shapes differ."""
        if self.shape != other.shape:
            return []
        here, there = (_bytes(data.inputs) for data in (self, other))
        known = set(there)
        return [self.name(i) for i, one in enumerate(here) if one in known]


def _bytes(inputs: Inputs) -> list[bytes]:
    parts = torch.arange(len(inputs)).split(256)
    return [one.numpy().tobytes() for part in parts for one in inputs[part].contiguous()]


def load_few_labels(
    path: str | Path,
    label: str | Sequence[str] | None = None,
    *,
    group: str | None = None,
    size: Size | None = None,
    channels: Channels | None = None,
    skip_bad: bool = False,
    depth: int | None = None,
    background: str = "white",
    memory: int | None = None,
    layout: Layout | None = None,
    given: Sequence[str] = (),
    resize: Resize = USUAL,
    format: str | None = None,
) -> FewLabels:
    """Load a few labelled real images or features.

    Args:
        path, label, size, channels, skip_bad, depth, background, memory, layout, given, resize, format: as in `load`.
        group: column with the group (person, camera) of each sample, in the metadata table, the `.npz` or the shards.

    Raises:
        InputError: as `load` and `FewLabels`; or there is no column `group`.
    """
    data = load(
        path,
        label,
        size=size,
        channels=channels,
        skip_bad=skip_bad,
        depth=depth,
        background=background,
        memory=memory,
        layout=layout,
        given=given,
        resize=resize,
        format=format,
    )
    groups = None if group is None else read_group_names(path, group, data)
    if group is not None and groups is None:
        raise InputError(
            f"{path}: has no column '{group}' in a metadata table, .npz or shard, expected the group of each few "
            "label. Add it, or leave the group out"
        )
    try:
        return FewLabels.of(data, groups or ())
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
