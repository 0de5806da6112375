"""Given columns as inputs of a model: they travel with the images as further channels of one value each.

A batch of images (B, C, H, W) with G given columns is (B, C + G, H, W), and features (B, F) are (B, F + G). So methods
pass one tensor from batch to network, as without given columns, and a batch without them does not fit the network. They
are appended after the image is randomized and refined, and split off before it is normalised: no operation on pixels
sees them. Whether inputs and their given columns fit a model is checked here, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..data.domains import Inputs, Labelled, Unlabelled, to_float
from ..data.given import check_near, direction_columns
from ..data.reading.tables import listed
from ..errors import InputError
from ..tasks.directions import to_angles, to_vectors
from ..transforms.warp import Warp, layout


class WithGiven:
    """The inputs of a domain with given values as further channels. `inputs[index]` is a batch in float32.

    Args:
        inputs: images (N, C, H, W) or features (N, F).
        given: (N, G) float32.
    """

    def __init__(self, inputs: Inputs, given: Tensor) -> None:
        self.inputs, self.given = inputs, given
        count, channels, *sides = inputs.shape
        self.shape = torch.Size((count, channels + given.shape[1], *sides))

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        return append(to_float(self.inputs[index]), self.given[index])


def append(x: Tensor, given: Tensor | None) -> Tensor:
    """A batch (B, C, H, W) or (B, F) float32 with the given values (B, G) as further channels; without them, `x`."""
    if given is None:
        return x
    if x.ndim == 2:
        return torch.cat([x, given], 1)
    planes = given[:, :, None, None].expand(-1, -1, *x.shape[2:])
    return torch.cat([x, planes], 1).contiguous(memory_format=torch.channels_last)


def split(x: Tensor, count: int) -> tuple[Tensor, Tensor | None]:
    """Inverse of `append` for `count` given columns: the batch, and the values (B, count) or None."""
    if count == 0:
        return x, None
    inputs, given = x[:, :-count], x[:, -count:]
    return (inputs, given) if x.ndim == 2 else (inputs.contiguous(memory_format=layout(x)), given[:, :, 0, 0])


def given_of(domain: Labelled | Unlabelled, columns: Sequence[str], what: str) -> Tensor | None:
    """The values (N, G) of these given columns, in this order; None without columns.

    Raises:
        InputError: the domain lacks a column. The message calls the domain `what`.
    """
    missing = [name for name in columns if name not in domain.given_columns]
    if missing:
        raise InputError(
            f"{what} has no given column {listed(missing)}, which the model takes beside each input. Load it with "
            f"given={list(columns)}, or write Unlabelled(inputs, given=values, given_columns={tuple(columns)})"
        )
    if not columns or domain.given is None:
        return None
    return domain.given[:, [domain.given_columns.index(name) for name in columns]]


def move_given(given: Tensor, columns: Sequence[str], warp: Warp | None) -> Tensor:
    """Given values (B, G) after a warp of the images.

    Columns `NAME_pitch` and `NAME_yaw` (or `pitch` and `yaw`) are a direction in radians and turn with the image, as
    gaze does. If there is only one of the two, it turns as if the other was 0. Other columns do not change.
    """
    if warp is None:
        return given
    moved = given.clone()
    for pair in direction_columns(columns):
        known = [i for i in pair if i is not None]
        angles = torch.stack([given.new_zeros(len(given)) if i is None else given[:, i] for i in pair], 1)
        turned = to_angles(warp.directions(to_vectors(angles)))
        moved[:, known] = turned[:, [k for k, i in enumerate(pair) if i is not None]]
    return moved


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
