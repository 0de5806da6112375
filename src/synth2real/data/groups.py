"""Groups: images that come in sequences (a person, a video) are no independent samples of the world.

A split must keep a group whole, and an interval must draw whole groups: else it says that more was seen than was.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from .domains import Labelled, Unlabelled
from .loading import arrays_of, as_classes, metadata_tables, named_by, table_rows

Groups = Tensor | None  # (N,) int64, the person or video of each sample; None where samples stand alone


def check_groups(groups: Mapping[str, Groups], counts: Mapping[str, int]) -> None:
    """Raise `InputError` where there is not one group for each sample of a domain."""
    for name, count in counts.items():
        given = groups[name]
        if given is not None and len(given) != count:
            raise InputError(f"{name}_groups holds {len(given)} groups, expected {count}, one a sample")


def distinct_groups(groups: Groups) -> Groups:
    """The groups, or None where there is a single one, which can be split and drawn from but within."""
    return None if groups is None or bool((groups == groups[0]).all()) else groups


def of_samples(groups: Groups, index: Tensor | slice) -> Groups:
    """The groups of the samples of these indices."""
    return None if groups is None else groups[index]


def halves(count: int, groups: Groups, least: float, seed: int) -> tuple[Tensor, Tensor] | None:
    """Indices of two parts of whole groups, about alike in size; None where one would hold less than `least`."""
    if distinct_groups(groups) is None:
        return None
    parts = held_out(count, count // 2, groups, seed)
    return parts if min(len(part) for part in parts) >= least else None


def held_out(count: int, held: int, groups: Groups, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of samples to train on, and of about `held` others to measure on; no group is in both.

    Args:
        count: number of samples.
        held: how many to hold; whole groups are taken until they are at least so many, and one is left.
        groups: (count,) int64, or None where samples stand alone.
        seed: of the order.
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


def standard_error(values: Tensor, groups: Groups) -> float:
    """Of the mean of (N,) values; where they come in groups (N,), as of a sample of whole groups."""
    apart = (values - values.mean()).double()
    groups = distinct_groups(groups)
    if groups is not None:
        group = groups.unique(return_inverse=True)[1]
        apart = torch.zeros(int(group.max()) + 1, dtype=torch.float64).index_add_(0, group, apart)
    return float(apart.square().sum().sqrt()) / len(values)


def redrawn(count: int, groups: Groups, generator: torch.Generator) -> Tensor:
    """Indices (int64) of a bootstrap sample: as many samples as there are, with replacement, or as many whole groups.

    Args:
        count: number of samples.
        groups: (count,) int64, or None where samples stand alone.
        generator: of the draws.
    """
    groups = distinct_groups(groups)
    if groups is None:
        return torch.randint(count, (count,), generator=generator)
    names, group = groups.unique(return_inverse=True)
    drawn = torch.randint(len(names), (len(names),), generator=generator)
    return torch.arange(count).repeat_interleave(torch.bincount(drawn, minlength=len(names))[group])


def read_groups(path: str | Path, column: str, domain: Labelled | Unlabelled) -> Tensor | None:
    """The group of each sample (N,) int64, from a metadata table or an array of an `.npz`; None where neither has it.

    Args:
        path: that `domain` was loaded from.
        column: its name.

    Raises:
        InputError: an array of another length, or an image that no row names.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        with arrays_of(path) as arrays:
            if column not in arrays:
                return None
            values = arrays[column].tolist()
        if len(values) != len(domain):
            raise InputError(f"{path}: the group column '{column}' has {len(values)} values, expected {len(domain)}")
        return as_classes(values)[0]
    found = {}
    for table in metadata_tables(path) if path.is_dir() else []:
        for row in table_rows(table):
            if column in row and "file_name" in row:
                found[named_by(table, row, path).relative_to(path).as_posix()] = row[column]
    if not found:
        return None
    missing = next((name for name in domain.names if name not in found), None)
    if missing is not None:
        raise InputError(f"{path / missing}: no row of a metadata table gives its group '{column}', expected one")
    return as_classes([found[name] for name in domain.names])[0]
