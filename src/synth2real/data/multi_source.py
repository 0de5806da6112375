"""Several labelled sources as one, whose samples say which of them they are from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError
from .domains import Labelled


def join(sources: Sequence[Labelled], called: Sequence[str] = ()) -> Labelled:
    """One labelled domain of several, one after the other; `domain` holds the place of each sample's source.

    Args:
        sources: with the same classes, or the same columns, and inputs of one shape held in memory.
        called: what messages call each of them; `source 1` and so on by default.

    Raises:
        InputError: there is none, or they differ in shape, classes or columns, or hold what cannot be joined.
    """
    if not sources:
        raise InputError("join() found no source, expected one or more")
    called = called or [f"source {i + 1}" for i in range(len(sources))]
    first = sources[0]
    for name, source in zip(called, sources, strict=True):
        if not isinstance(source.inputs, Tensor):
            raise InputError(
                f"{name}: holds {type(source.inputs).__name__} inputs, expected images or dense features in memory, "
                "which alone can be joined with other sources. Write it as one file with them"
            )
        if source.shape != first.shape:
            raise InputError(
                f"{name}: has inputs of {_by(source.shape)}, {called[0]} of {_by(first.shape)}: expected one shape. "
                "Convert images with --size and --channels"
            )
        for what in ("classes", "columns"):
            ours, theirs = getattr(first, what), getattr(source, what)
            if ours != theirs:
                raise InputError(
                    f"{name}: has the {what} {_listed(theirs)}, {called[0]} has {_listed(ours)}: expected the same in "
                    "every source. Rename them, or leave out what is in one alone"
                )
    parts = [torch.as_tensor(source.inputs) for source in sources]
    if len({part.dtype for part in parts}) > 1:
        raise InputError(
            f"the sources hold inputs of {_listed([str(part.dtype) for part in parts])}, expected one type"
        )
    given = any(source.sizes is not None for source in sources)
    named = all(source.names for source in sources)
    return Labelled(
        torch.cat(parts),
        torch.cat([source.labels for source in sources]),
        first.classes,
        first.columns,
        tuple(f"{name}/{of}" for name, source in zip(called, sources, strict=True) for of in source.names)
        if named
        else (),
        torch.cat([_sizes(source) for source in sources]) if given else None,
        torch.arange(len(sources)).repeat_interleave(torch.tensor([len(source) for source in sources])),
    )


def _sizes(source: Labelled) -> Tensor:
    """Height and width of each image as given; those that it has, where it was not resized."""
    return torch.tensor(source.shape[1:]).expand(len(source), 2) if source.sizes is None else source.sizes


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none"
