"""The parts of a model: normalisation, feature extractor, bottleneck, given values, projected pixels, and the head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data.reading.tables import listed
from ..errors import InputError
from ..networks.dense import SetDetector
from ..networks.layers import Norm, Normalise, mlp, share
from ..networks.tuning import Tuned
from ..tasks import Detection, Task
from .given import split

EMBEDDED = 32  # width of the embedding of given values
MOST = 2500  # values of an image; a larger image is averaged over cells
COMPONENTS = 128  # 64 are worse on real eyes by 0.05 degrees with 50 labels


def featured_of(network: nn.Module) -> Featured:
    """The features of a model, or of the first member of an ensemble."""
    return next(part for part in network.modules() if isinstance(part, Featured))


@contextmanager
def by_source(network: nn.Module) -> Iterator[None]:
    """Within it, the outputs of a frozen feature extractor are centred by the source's mean, see `Centred`."""
    parts = [part for part in network.modules() if isinstance(part, Centred)]
    for part in parts:
        part.by_source = True
    try:
        yield
    finally:
        for part in parts:
            part.by_source = False


def head_of(network: nn.Module, task: Task, width: int, description: Mapping[str, Any]) -> nn.Module:
    """The head of a task behind features of a width, or the own one of a network that has one.

    Args:
        network: the feature extractor.
        description: of the model.

    Raises:
        InputError: the network predicts boxes, and the task is another one, or there are settings of the task's head.
    """
    hidden, dropout = description["head"], share(description["dropout"], "dropout")
    if not isinstance(network, SetDetector):
        return task.head(width, hidden, dropout)
    name = description["network"]
    if not isinstance(task, Detection):
        raise InputError(f"network '{name}' predicts boxes, found the task {task.kind}, expected detect")
    settings = {"adapt.head": hidden, "adapt.dropout": dropout, "given columns": description["given_columns"]}
    wrong = next((what for what, value in settings.items() if value), None)
    if wrong is not None:
        raise InputError(f"network '{name}' has a head of its own, which takes no {wrong}. Leave them out")
    made = network.set_head(len(task.classes))
    return Tuned(made, "whole", True, description["pretrained_norm"]) if description["pretrained"] else made


def bottleneck_of(inputs: int, width: int, norm: Norm) -> nn.Sequential:
    """A trained layer behind a feature extractor (N, inputs), which gives features (N, width) of one scale."""
    scale = nn.BatchNorm1d(width) if norm == "batch" else nn.LayerNorm(width)
    return nn.Sequential(nn.Linear(inputs, width), scale, nn.ReLU())


class Centred(nn.Module):
    """The outputs (N, F) of a frozen feature extractor, centred by the mean of a domain, each of length sqrt(F).

    A frozen network cannot learn to ignore what shifts all features of a domain, such as the background. Images of the
    target are centred by the target's mean; `by_source` centres those of the source by their own.

    Args:
        width: F.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.source_mean: Tensor
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("source_mean", torch.zeros(width))
        self.by_source = False

    def forward(self, x: Tensor) -> Tensor:
        apart = x - (self.source_mean if self.by_source else self.mean)
        scaled: Tensor = F.normalize(apart) * apart.shape[1] ** 0.5
        return scaled


class ProjectedPixels(nn.Module):
    """Projects normalised images (N, C, H, W) to K principal components (N, K).

    A network that was trained on another domain does not see everything in a real image. Few labels find the rest in
    the largest components: on real eyes they lower the error of 10 labels from 5.6 to 4.9 degrees.

    Args:
        shape: (C, H, W).
        count: K.
    """

    def __init__(self, shape: Sequence[int], count: int) -> None:
        super().__init__()
        self.count = count
        channels, height, width = shape
        shrink = min(1.0, (MOST / (channels * height * width)) ** 0.5)
        self.cells = max(1, int(height * shrink)), max(1, int(width * shrink))
        values = channels * self.cells[0] * self.cells[1]
        self.mean: Tensor
        self.directions: Tensor
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("directions", torch.zeros(values, count))

    @classmethod
    def of(cls, images: Tensor) -> Self:
        """The largest components of normalised images (N, C, H, W); their mean squared length is 1."""
        shape = images.shape[1:]
        count = min(COMPONENTS, len(images), shape.numel())
        found = cls(shape, count)
        values = found._values(images).double()
        mean = values.mean(0)
        _, lengths, directions = torch.linalg.svd(values - mean, full_matrices=False)
        scale = (lengths[:count].square().sum() / len(values)).sqrt().clamp(min=torch.finfo(torch.float32).tiny)
        kept = directions[:count].T / scale
        found.mean, found.directions = mean.float(), F.pad(kept, (0, count - kept.shape[1])).float()
        return found

    def forward(self, images: Tensor) -> Tensor:
        return (self._values(images) - self.mean) @ self.directions

    def _values(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images.float(), self.cells).flatten(1)


class Featured(nn.Sequential):
    """Normalisation, then the feature extractor, then centring and a bottleneck, if the model has them.

    For a model of images, outputs (N, F) of the feature extractor may be passed instead, see `Model.extract`.

    Given values come as further channels of the inputs (see `given`). They are standardised and appended to the
    features, with a small learnt embedding of them. One weight a column would learn too slowly: on a class of features
    that follows from a given column, the accuracy after 500 steps was 0.80 instead of 0.98.

    Args:
        normalise, backbone: see `Model`.
        shape: of an input, without given values.
        width: F, of the outputs of the feature extractor.
        given: names of the given columns.
        scale: mean and deviation of the given columns in the source, (G,) float32 each; zeros and ones by default.
        bottleneck: width of a trained layer behind the feature extractor; 0 for none.
        norm: its normalisation, see `bottleneck_of`.
        centred: centre the outputs of the feature extractor first, see `Centred`.
    """

    by_rows = True  # on several processes each computes some rows of a batch, see `distributed`

    def __init__(
        self,
        normalise: Normalise,
        backbone: nn.Module,
        shape: tuple[int, ...],
        width: int,
        given: tuple[str, ...],
        scale: tuple[Tensor, Tensor] | None,
        bottleneck: int = 0,
        norm: Norm = "group",
        centred: bool = False,
    ) -> None:
        super().__init__(normalise, backbone)
        self.centred = Centred(width) if centred else None
        self.bottleneck = bottleneck_of(width, bottleneck, norm) if bottleneck else None
        self.shape, self.width, self.given = shape, width, given
        self.given_mean: Tensor
        self.given_std: Tensor
        mean, std = scale or (torch.zeros(len(given)), torch.ones(len(given)))
        self.added = len(given) + EMBEDDED if given else 0  # width of what is appended
        self.outputs = (bottleneck or width) + self.added  # width of the features, without projected pixels
        self.pixels: ProjectedPixels | None = None  # appended last; set if few labels correct the model
        if given:
            self.embedding = nn.Sequential(mlp(len(given), (EMBEDDED,), EMBEDDED), nn.ReLU())
            self.register_buffer("given_mean", mean.clone())
            self.register_buffer("given_std", std.clone())

    def forward(self, x: Tensor) -> Tensor:
        features = self._learnt(x)
        if self.pixels is None:
            return features
        return torch.cat([features, self.pixels(self[0](x[:, : self.shape[0]]))], 1)

    def _learnt(self, x: Tensor) -> Tensor:
        kept = len(self.shape) == 3 and x.ndim == 2
        if not self.given:
            return self.narrowed(x if kept else self.extracted(x))
        plain = self.width if kept else self.shape[0]
        if x.shape[1] != plain + len(self.given):
            raise InputError(
                f"the model takes {plain} channels or features and the given columns {listed(self.given)}, found "
                f"{x.shape[1]} in all. Pass model.inputs_of(domain), which has the given columns"
            )
        x, given = split(x, len(self.given))
        assert given is not None
        features, known = self.narrowed(x if kept else self.extracted(x)), self.of_given(given)
        if features.ndim == 4:  # maps, at each point of which the given values stand
            known = known[:, :, None, None].expand(-1, -1, *features.shape[2:])
        return torch.cat([features, known], 1)

    def extracted(self, x: Tensor) -> Tensor:
        """Outputs (N, F) of the feature extractor for inputs without given values."""
        outputs: Tensor = self[1](self[0](x))
        return outputs

    def narrowed(self, outputs: Tensor) -> Tensor:
        """Features of outputs (N, F) of the feature extractor."""
        centred: Tensor = outputs if self.centred is None else self.centred(outputs)
        features: Tensor = centred if self.bottleneck is None else self.bottleneck(centred)
        return features

    def of_given(self, given: Tensor) -> Tensor:
        """What is appended to the features: the standardised given values (N, G), and their embedding."""
        known = (given - self.given_mean) / self.given_std
        return torch.cat([known, self.embedding(known)], 1)
