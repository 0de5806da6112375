"""Whether inputs fit what a model takes: their shape, and the given columns beside them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..data.domains import Inputs, Labelled, Unlabelled
from ..data.given import check_near
from ..errors import InputError
from .given import given_of


def check_shape(inputs: Inputs, shape: tuple[int, ...], what: str) -> None:
    """Raise `InputError` if the inputs do not have the input shape of a model. The message calls them `what`."""
    found = tuple(inputs.shape[1:])
    if found == shape:
        return
    if len(found) != len(shape):
        raise InputError(f"{what}: expected {kind_of(shape)}, found {kind_of(found)}. Choose another input")
    if len(found) == 3 and found[0] != shape[0] and found[1:] != shape[1:]:
        raise InputError(
            f"{what} has inputs of {_by(found)}, the model takes {_by(shape)} (channels x height x width). "
            f"Train with --channels 1 --size {_by(shape[1:])}, which converts every image on load"
        )
    if len(found) == 3 and found[0] != shape[0]:
        raise InputError(
            f"{what} has {found[0]} channels, the model takes {shape[0]}. Train with --channels 1 or "
            "--channels 3, which converts every image on load"
        )
    if len(found) == 1:
        raise InputError(
            f"{what} has {found[0]} features, the model takes {shape[0]}. Write it with the same features "
            "as the training data, in the same order"
        )
    raise InputError(
        f"{what} has inputs of {_by(found)}, the model takes {_by(shape)}. "
        "Train with --size HxW, which resizes every image on load"
    )


def checked_given(
    domain: Labelled | Unlabelled, columns: Sequence[str], scale: tuple[Tensor, Tensor] | None, what: str
) -> Tensor | None:
    """The given columns (N, G) of a domain, as a model takes them; None if it takes none.

    Args:
        domain: with these columns, and others.
        columns: names of the G columns.
        scale: their mean and deviation in the source of the training, (G,) each; needed if there are any.
        what: the name of the domain in a message.

    Raises:
        InputError: a column is missing, or is far from all values of the training.
    """
    given = given_of(domain, columns, what)
    if given is None or scale is None:
        return None
    for column, values, mean, deviation in zip(columns, given.T, *(part.tolist() for part in scale), strict=True):
        check_near(column, values, mean, deviation, what)
    return given


def _by(sides: Sequence[int]) -> str:
    return "x".join(map(str, sides))


def kind_of(shape: Sequence[int]) -> str:
    return f"images {_by(shape)}" if len(shape) == 3 else f"features of width {_by(shape)}"
