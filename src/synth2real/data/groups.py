"""Groups of dependent samples: images of one person or one video are not independent.

A split must keep each group whole. A bootstrap interval must sample whole groups, otherwise the interval is too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from .domains import Labelled, Unlabelled
from .formats import Format, format_of
from .reading.class_names import as_classes
from .reading.discovery import as_spelled, metadata_tables
from .reading.loading import is_hub
from .reading.npz import arrays_of
from .reading.places import is_packed
from .reading.tables import named_by, table_rows
from .shards import groups_of
from .tiles.cutting import count_of, images_of, names_of

Groups = Tensor | None  # (N,) int64, the person or video of each sample; None if samples are independent


def check_groups(groups: Mapping[str, Groups], counts: Mapping[str, int]) -> None:
    """Raise `InputError` unless there is one group for each sample of a domain."""
    for name, count in counts.items():
        given = groups[name]
        if given is not None and len(given) != count:
            raise InputError(f"{name}_groups holds {len(given)} groups, expected {count}, one per sample")


def distinct_groups(groups: Groups) -> Groups:
    """The groups, or None if there is only one. A single group can only be split and sampled by its samples."""
    return None if groups is None or bool((groups == groups[0]).all()) else groups


def of_samples(groups: Groups, index: Tensor | slice) -> Groups:
    """The groups of the samples at `index`."""
    return None if groups is None else groups[index]


def halves(count: int, groups: Groups, least: float, seed: int) -> tuple[Tensor, Tensor] | None:
    """Indices of two parts of whole groups, of about equal size; None if a part has fewer than `least` samples."""
    if distinct_groups(groups) is None:
        return None
    parts = held_out(count, count // 2, groups, seed)
    return parts if min(len(part) for part in parts) >= least else None


def held_out(count: int, held: int, groups: Groups, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of the training samples and of about `held` held-out samples. No group is in both.

    Args:
        count: number of samples.
        held: number of samples to hold out. Whole groups are added until this number is reached, but at least one
            group is left for training.
        groups: (count,) int64, or None if samples are independent.
        seed: seed of the random order.
    """
    generator = torch.Generator().manual_seed(seed)
    groups = distinct_groups(groups)
    if groups is None:
        order = torch.randperm(count, generator=generator)
        return order[held:], order[:held]
    groups = groups.unique(return_inverse=True)[1]
    sizes = torch.bincount(groups)
    order = torch.randperm(len(sizes), generator=generator)
    taken = order[: max(1, min(int((sizes[order].cumsum(0) < held).sum()) + 1, len(sizes) - 1))]
    inside = torch.isin(groups, taken)
    return (~inside).nonzero()[:, 0], inside.nonzero()[:, 0]


def independent_units(count: int, groups: Groups) -> float:
    """Effective number of independent units among `count` samples.

    Without groups, the samples. With groups of equal size, the groups. With groups of different sizes, the number of
    equal groups whose mean would be as uncertain (Kish): the squared number of samples over the sum of squared sizes.
    """
    if groups is None:
        return float(count)
    sizes = _sizes(groups)
    return float(sizes.sum().square() / sizes.square().sum())


def standard_error(values: Tensor, groups: Groups) -> float:
    """Standard error of the mean of (N,) values; inf if there is only one independent unit.

    With groups (N,), the groups are the independent units. The error of few groups is uncertain itself: for an interval
    use `half_width`.
    """
    group = torch.arange(len(values)) if groups is None else groups.unique(return_inverse=True)[1]
    sizes = _sizes(group)
    if len(sizes) < 2:
        return math.inf
    deviations = torch.zeros_like(sizes).index_add_(0, group, values.double() - values.double().mean())
    count, squares, cubes = float(sizes.sum()), float(sizes.square().sum()), float((sizes**3).sum())
    # Deviations from the mean of the same samples are too small; this is the share that remains, 1 - 1 / G for G groups
    remaining = 1 - 2 * cubes / (count * squares) + squares / count**2
    return math.sqrt(float(deviations.square().sum()) / remaining) / count


def half_width(values: Tensor, groups: Groups, confidence: float = 0.95) -> float:
    """Half the width of the confidence interval of the mean of (N,) values; inf if there is one independent unit.

    From Student's t. With G groups of equal size it has G - 1 degrees of freedom, see `independent_units`.

    Args:
        values: (N,) values.
        groups: (N,) int64, or None if samples are independent.
        confidence: probability, 0..1, that the interval contains the true mean.
    """
    return student_t(independent_units(len(values), groups) - 1, confidence) * standard_error(values, groups)


def student_t(freedom: float, confidence: float = 0.95) -> float:
    """Half the width of the central interval of Student's t; inf without degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + confidence / 2)) if freedom > 0 else math.inf


def _sizes(groups: Tensor) -> Tensor:
    """Number of samples in each group, float64."""
    sizes: Tensor = torch.unique(groups, return_counts=True)[1].double()
    return sizes


def redrawn(count: int, groups: Groups, generator: torch.Generator) -> Tensor:
    """Indices (int64) of a bootstrap sample, with replacement.

    Without groups it has `count` samples. With groups it has the original number of whole groups.

    Args:
        count: number of samples.
        groups: (count,) int64, or None if samples are independent.
        generator: random generator.
    """
    groups = distinct_groups(groups)
    if groups is None:
        return torch.randint(count, (count,), generator=generator)
    names, group = groups.unique(return_inverse=True)
    sampled = torch.randint(len(names), (len(names),), generator=generator)
    return torch.arange(count).repeat_interleave(torch.bincount(sampled, minlength=len(names))[group])


def read_groups(path: str | Path, column: str, domain: Labelled | Unlabelled) -> Tensor | None:
    """Group of each sample (N,) int64, as `read_group_names`, with its arguments and errors; None if there is none."""
    if is_packed(path):
        packed, images = groups_of(path, column, names_of(domain)), images_of(domain)
        if packed is None:
            return None
        return packed[0] if images is None else packed[0][images]
    names = read_group_names(path, column, domain)
    return None if names is None else as_classes(names)[0]


def read_group_names(path: str | Path, column: str, domain: Labelled | Unlabelled) -> tuple[str, ...] | None:
    """Name of the group of each sample, N texts; None if no metadata table, `.npz`, shard or data set has `column`.

    A tile has the group of its image.

    Args:
        path: the folder, file, shards or data set that `domain` was loaded from.
        column: name of the group column. In shards also `folder`, see `shards.grouping`.
        domain: the loaded samples.

    Raises:
        InputError: the array has a different length, or an image has no row in the tables.
    """
    named, images = _groups_of(Path(path), column, names_of(domain), count_of(domain)), images_of(domain)
    return named if named is None or images is None else tuple(named[i] for i in images.tolist())


def _groups_of(path: Path, column: str, names: Sequence[str], count: int) -> tuple[str, ...] | None:
    """The groups of the images, or other samples, of these names."""
    if is_packed(path):
        packed = groups_of(path, column, names)
        return None if packed is None else tuple(packed[1][i] for i in packed[0])
    if path.suffix.lower() == ".npz":
        with arrays_of(path) as arrays:
            if column not in arrays:
                return None
            values = arrays.column(column).tolist()
        if len(values) != count:
            raise InputError(f"{path}: the group column '{column}' has {len(values)} values, expected {count}")
        return _named(values)
    if is_hub(path):
        from .objects import hub_column

        values = hub_column(path, column)
        return None if values is None else _named([values[int(name)] for name in names])
    kind = format_of(path, native=metadata_tables) if path.exists() else None
    if kind is not None:
        return _of_records(kind, path, column, names)
    found, find = {}, as_spelled(path)
    for table in metadata_tables(path) if path.is_dir() else []:
        for row in table_rows(table):
            if column in row and "file_name" in row:
                found[find(named_by(table, row, path)).relative_to(path).as_posix()] = row[column]
    if not found:
        return None
    missing = next((name for name in names if name not in found), None)
    if missing is not None:
        raise InputError(f"{path / missing}: no row of a metadata table has a group '{column}' for it, expected one")
    return _named([found[name] for name in names])


def _of_records(kind: Format, path: Path, column: str, names: Sequence[str]) -> tuple[str, ...] | None:
    """The groups of the images of another program's format, from an image-level column."""
    found = {one.name: one.values.get(column) for one in kind.records(path)}
    if all(value is None for value in found.values()):
        return None
    missing = next((name for name in names if found.get(name) is None), None)
    if missing is not None:
        raise InputError(f"{path / missing}: has no group '{column}', expected one for every image")
    return _named([found[name] for name in names])


def _named(values: list[Any]) -> tuple[str, ...]:
    """The cells of a group column as names: `3.0` and `3` are one group."""
    index, names = as_classes(values)
    return tuple(names[i] for i in index.tolist())
