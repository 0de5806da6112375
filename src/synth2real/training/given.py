"""Given columns as inputs of a model: they travel with the images as further channels of one value each.

A batch of images (B, C, H, W) with G given columns is (B, C + G, H, W), and features (B, F) are (B, F + G). So methods
pass one tensor from batch to network, as without given columns, and a batch without them does not fit the network. They
are appended after the image is randomized and refined, and split off before it is normalised: no operation on pixels
sees them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..data.domains import Inputs, Labelled, Unlabelled, to_float
from ..data.given import direction_columns
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
