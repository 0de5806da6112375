"""Join several labelled sources into one domain, with the source index of each sample."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import InputError
from .domains import Labelled
from .fitting import Resize
from .labels import joined


def join(sources: Sequence[Labelled], called: Sequence[str] = ()) -> Labelled:
    """Concatenate several labelled sources. `domain` of the result is the index of the source of each sample.

    Args:
        sources: sources with the same classes or the same columns, and the same given columns. Their inputs have the
            same shape and are in memory.
        called: the names of the sources in error messages; by default `source 1`, `source 2` and so on.

    Raises:
        InputError: no source; different shapes, classes, columns or dtypes; or inputs that are not tensors in memory.
    """
    if not sources:
        raise InputError("join() got no source, expected one or more")
    called = called or [f"source {i + 1}" for i in range(len(sources))]
    first = sources[0]
    for name, source in zip(called, sources, strict=True):
        if not isinstance(source.inputs, Tensor):
            raise InputError(
                f"{name}: has inputs of type {type(source.inputs).__name__}, expected images or dense features in "
                "memory. Only these can be joined. Write all sources to one file instead"
            )
        if source.shape != first.shape:
            raise InputError(
                f"{name}: has inputs of {_by(source.shape)}, {called[0]} of {_by(first.shape)}: expected the same "
                "shape. Convert images with --size and --channels"
            )
        _check_names(first, source, called[0], name)
    parts = [torch.as_tensor(source.inputs) for source in sources]
    if len({part.dtype for part in parts}) > 1:
        raise InputError(
            f"the sources have inputs of {_listed([str(part.dtype) for part in parts])}, expected the same type"
        )
    resized = any(source.sizes is not None for source in sources)
    given = [source.given for source in sources if source.given is not None]
    named = all(source.names for source in sources)
    return Labelled(
        torch.cat(parts),
        joined([source.labels for source in sources]),
        first.classes,
        first.columns,
        tuple(f"{name}/{of}" for name, source in zip(called, sources, strict=True) for of in source.names)
        if named
        else (),
        torch.cat([_sizes(source) for source in sources]) if resized else None,
        torch.arange(len(sources)).repeat_interleave(torch.tensor([len(source) for source in sources])),
        given=torch.cat(given) if given else None,
        given_columns=first.given_columns,
        resize=_one_way(sources),
    )


def _check_names(first: Labelled, source: Labelled, called: str, name: str) -> None:
    """Raise `InputError` if a source has other classes, columns or given columns than the first one."""
    for what in ("classes", "columns", "given_columns"):
        ours, theirs = getattr(first, what), getattr(source, what)
        if ours != theirs:
            raise InputError(
                f"{name}: has the {what.replace('_', ' ')} {_listed(theirs)}, {called} has {_listed(ours)}: "
                "expected the same in every source. Rename them, or remove those that only one source has"
            )


def _one_way(sources: Sequence[Labelled]) -> Resize:
    """How the sources were resized. Raise `InputError` if they were resized in different ways."""
    how = {source.resize for source in sources if source.sizes is not None}
    if len(how) > 1:
        raise InputError(
            f"the sources were resized in different ways ({', '.join(sorted(how))}), expected one. Load all with the "
            "same resize="
        )
    return how.pop() if how else "stretch"


def _sizes(source: Labelled) -> Tensor:
    """Original height and width of each image; the current ones if the source was not resized."""
    return torch.tensor(source.shape[1:]).expand(len(source), 2) if source.sizes is None else source.sizes


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none"
