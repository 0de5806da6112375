"""Large images in overlapping tiles: the result is that of the whole image, the memory that of one tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

TILE = 256  # side of a tile with its margin, in pixels; images of at most this are not cut
ALIGN = 8  # tiles begin at multiples of it, so that a network at down to an eighth of the resolution keeps its grid
FARTHEST = TILE // 4  # pixels; a network that looks farther is applied to whole images
PROBE = 2 * FARTHEST + ALIGN  # side of the image on which a network is probed

Apply = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Span:
    """A tile along one axis: the pixels it is computed `of`, and the pixels whose result is taken from it (`own`)."""

    of: slice
    own: slice

    @property
    def inner(self) -> slice:
        """`own`, counted from the start of `of`."""
        return slice(self.own.start - self.of.start, self.own.stop - self.of.start)


def spans(length: int, margin: int) -> list[Span]:
    """Tiles that cover 0 to `length`. The own parts do not overlap; each has `margin` pixels of the image around it."""
    if length <= TILE:
        return [Span(slice(0, length), slice(0, length))]
    found = []
    for start in range(0, length - 2 * margin, TILE - 2 * margin):
        stop = min(start + TILE, length)
        own = slice(start + margin if start else 0, stop - margin if stop < length else length)
        found.append(Span(slice(start, stop), own))
    return found


class Norm:
    """Mean and deviation of the groups of a normalisation layer, over a whole image that is seen tile by tile."""

    def __init__(self, layer: nn.GroupNorm | nn.InstanceNorm2d, stride: int) -> None:
        self.layer, self.stride = layer, stride
        self.groups = layer.num_groups if isinstance(layer, nn.GroupNorm) else layer.num_features
        self.forget()

    def forget(self) -> None:
        """Begin with a new image. Before a tile is seen, the mean is 0 and the deviation 1."""
        self.count, self.sums, self.squares = 0, torch.zeros(self.groups).double(), torch.zeros(self.groups).double()

    def see(self, x: Tensor, tiles: Sequence[tuple[Span, Span]]) -> None:
        """Take the own parts of tiles. `x` (B, C, h, w) is the input of the layer for them."""
        for maps, (rows, columns) in zip(x.float(), tiles, strict=True):
            own = maps[:, self._slice(rows.inner), self._slice(columns.inner)].reshape(self.groups, -1)
            self.count += own.shape[1]
            self.sums += own.sum(1).cpu().double()
            self.squares += own.square().sum(1).cpu().double()

    def _slice(self, pixels: slice) -> slice:
        return slice(pixels.start // self.stride, -(-pixels.stop // self.stride))

    def normalised(self, layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        """A forward hook: the output of the layer with these statistics."""
        (x,) = inputs
        mean = self.sums / max(self.count, 1)
        variance = (self.squares / self.count - mean.square()).clamp(min=0) if self.count else torch.ones_like(mean)
        scale = (variance + self.layer.eps).rsqrt()
        scale, shift = (
            one.float().to(x.device).repeat_interleave(x.shape[1] // self.groups) for one in (scale, -mean * scale)
        )
        if self.layer.weight is not None:
            scale, shift = scale * self.layer.weight, shift * self.layer.weight + self.layer.bias
        made = torch.addcmul(shift[:, None, None], x.float(), scale[:, None, None])
        return made.to(output.dtype)


class _Seen(Exception):
    """Ends the forward pass of a network behind the layer whose inputs were wanted."""


class Tiling:
    """Applies a convolutional network to large images, tile by tile.

    A tile has a margin of the network's receptive field, so that its own part is the same as in the result of the
    whole image. Group and instance normalisation take their statistics over the image. Here, too: the tiles run up to
    the first such layer, which gives its statistics, then up to the next one, and last to the end. So nothing is
    blended, and there are no seams. A network of k such layers costs less than k + 1 times as much as without them.

    Args:
        network: maps images (B, C, H, W) to images of the same shape; any H and W.
        channels: C.

    Attributes:
        margin: receptive field beyond a pixel, rounded up to `ALIGN`. None if it is more than `FARTHEST`, which holds
            for other global layers (attention, pooling of the whole image): such a network is not cut into tiles.
    """

    def __init__(self, network: nn.Module, channels: int) -> None:
        self.network = network
        self.norms, self.margin = _probed(network, channels)

    @torch.inference_mode()
    def apply(self, apply: Apply, image: Tensor, batch: int = 1) -> Tensor:
        """The result (C, H, W) for one image, in its dtype.

        Args:
            apply: runs the network on a batch of tiles (B, C, h, w) of the image.
            batch: most tiles at once.
        """
        if self.margin is None:
            return apply(image[None])[0]
        rows, columns = (spans(length, self.margin) for length in image.shape[1:])
        tiles = [(row, column) for row in rows for column in columns]
        result = torch.empty_like(image, memory_format=torch.contiguous_format)
        with ExitStack() as settled:
            for norm in self.norms:
                norm.forget()
                _see(norm, apply, image, tiles, batch)
                settled.callback(norm.layer.register_forward_hook(norm.normalised).remove)
            for part in batches(tiles, batch):
                for (row, column), made in zip(part, apply(stacked(image, part)), strict=True):
                    result[:, row.own, column.own] = made[:, row.inner, column.inner]
        return result


def _see(norm: Norm, apply: Apply, image: Tensor, tiles: Sequence[tuple[Span, Span]], batch: int) -> None:
    """Take the statistics of one layer over all tiles."""
    for part in batches(tiles, batch):

        def stop(layer: nn.Module, inputs: tuple[Tensor], part: Any = part) -> None:
            norm.see(inputs[0], part)
            raise _Seen

        handle = norm.layer.register_forward_pre_hook(stop)
        try:
            apply(stacked(image, part))
        except _Seen:
            continue
        finally:
            handle.remove()


def batches(tiles: Sequence[tuple[Span, Span]], most: int) -> Iterator[list[tuple[Span, Span]]]:
    """The tiles in batches of at most `most`. The tiles of a batch have one shape."""

    def shape(tile: tuple[Span, Span]) -> tuple[int, ...]:
        return tuple(span.of.stop - span.of.start for span in tile)

    for _, alike in groupby(sorted(tiles, key=shape), shape):
        each = list(alike)
        yield from (each[start : start + most] for start in range(0, len(each), most))


def stacked(image: Tensor, tiles: Sequence[tuple[Span, Span]]) -> Tensor:
    """The pixels that these tiles are computed of, (B, C, h, w)."""
    return torch.stack([image[:, rows.of, columns.of] for rows, columns in tiles])


@torch.inference_mode()
def _probed(network: nn.Module, channels: int) -> tuple[list[Norm], int | None]:
    """The layers that normalise over the image, in the order of their calls, and the margin of a tile.

    An input that is not a number makes every output not a number that depends on it, whatever the weights are.
    """
    like = next(network.parameters(), torch.zeros(1))
    x = torch.full((1, channels, PROBE, PROBE), 0.5, device=like.device, dtype=like.dtype)
    middle = slice(FARTHEST, FARTHEST + ALIGN)
    x[..., middle, middle] = torch.nan
    norms: list[Norm] = []

    def found(layer: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        norms.append(Norm(layer, PROBE // inputs[0].shape[2]))
        return norms[-1].normalised(layer, inputs, output)

    with ExitStack() as hooks:
        for layer in network.modules():
            if isinstance(layer, nn.GroupNorm) or (
                isinstance(layer, nn.InstanceNorm2d) and not layer.track_running_stats
            ):
                hooks.callback(layer.register_forward_hook(found).remove)
        reached = network(x).isnan()[0].any(0)
    far = max(_beyond(reached.any(axis), middle) for axis in (0, 1))
    called_twice = len({id(norm.layer) for norm in norms}) < len(norms)
    return norms, None if called_twice or far >= FARTHEST else -(-far // ALIGN) * ALIGN


def _beyond(reached: Tensor, middle: slice) -> int:
    """How far the places that were reached lie beyond the middle."""
    places = reached.nonzero().flatten()
    before, after = middle.start - int(places.min()), int(places.max()) - middle.stop + 1
    return max(int(before), int(after), 0)
