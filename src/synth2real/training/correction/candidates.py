"""The candidates of a correction: none, an offset, an affine map of the prediction, or a change of the last layer.

All are one Gaussian process on the errors of the predictions, with a linear kernel over three parts of a basis: 1, the
prediction, and the features. A candidate is the prior variance of each part in units of the noise. The features are
scaled by the target: in its principal directions they are divided by the square root of the standard deviation, half
way to whitening. On real eyes this lowers the error with 2 to 10 labels by 0.1 to 0.3 degrees. Components of the pixels
(`ProjectedPixels`) are features, too, and are not whitened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

Kind = Literal["none", "offset", "affine", "last layer"]
PIXELS = 10 / 3  # prior variance of the components of the pixels, relative to that of the features
SMALLEST = 1e-6  # variance of a direction of the features, as a share of the largest; smaller ones are left out


@dataclass(frozen=True)
class Candidate:
    """Prior variances of a correction, in units of the variance of the noise.

    Args:
        kind: the most complex part that is not zero.
        offset: of a constant.
        affine: of a linear map of the standardised prediction.
        layer: of a linear map of the scaled features, a change of the last layer of the head.
        by_group: of each group's own correction, as a multiple of that of the common one; 0 for one correction.
    """

    kind: Kind
    offset: float = 0.0
    affine: float = 0.0
    layer: float = 0.0
    by_group: float = 0.0


# Measured on real eyes with 1 to 150 labels: an offset of 2 and a layer of 3 are near the best with every number.
COMMON = (
    Candidate("none"),
    Candidate("offset", offset=0.5),
    Candidate("offset", offset=2),
    Candidate("affine", offset=2, affine=0.1),
    Candidate("affine", offset=2, affine=0.3),
    Candidate("last layer", offset=2, layer=1),
    Candidate("last layer", offset=2, layer=3),
    Candidate("last layer", offset=2, layer=10),
)
BY_GROUP = tuple(
    Candidate(one.kind, one.offset, one.affine, one.layer, by_group=1.0) for one in COMMON if one.kind != "none"
)
ONE_LABEL = tuple(one for one in COMMON if one.kind in ("none", "offset"))  # with one label nothing else is known


@dataclass(frozen=True)
class Basis:
    """The three parts of the basis, standardised by the unlabelled target. All tensors are float64.

    Args:
        centre, scale: of the coordinates of the prediction, (K,).
        middle: mean of the features, (F,).
        directions: maps centred features to the scaled ones, (F, D); their mean squared length is 1 on the target.
    """

    centre: Tensor
    scale: Tensor
    middle: Tensor
    directions: Tensor

    @classmethod
    def of(cls, features: Tensor, coordinates: Tensor, pixels: int = 0) -> Self:
        """The basis from features (N, F) and coordinates (N, K) of real samples.

        Args:
            pixels: number of components of the pixels, which are the last of the features.
        """
        features, coordinates = features.double(), coordinates.double()
        spread = coordinates.std(0, correction=0)
        learnt = features.shape[1] - pixels
        of_pixels = PIXELS**0.5 * torch.eye(pixels, dtype=torch.float64)
        return cls(
            coordinates.mean(0),
            torch.where(spread > 0, spread, 1.0) * spread.numel() ** 0.5,
            features.mean(0),
            torch.block_diag(_whitened(features[:, :learnt]), of_pixels),
        )

    def parts(self, features: Tensor, coordinates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """1 (N, 1), the standardised prediction (N, K), and the scaled features (N, D)."""
        features, coordinates = features.double(), coordinates.double()
        standardised = (coordinates - self.centre) / self.scale
        return torch.ones_like(features[:, :1]), standardised, (features - self.middle) @ self.directions

    def on_inputs(self, offset: Tensor, affine: Tensor, layer: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights of the parts, (1, K), (K, K) and (D, K), as weights of 1, the coordinates and the features."""
        affine, layer = affine / self.scale[:, None], self.directions @ layer
        return offset - self.centre @ affine - self.middle @ layer, affine, layer


def _whitened(features: Tensor) -> Tensor:
    """The map (F, D) from centred features to those that are half whitened; their mean squared length is 1."""
    _, lengths, directions = torch.linalg.svd(features - features.mean(0), full_matrices=False)
    variances = lengths.square() / len(features)
    kept = variances > SMALLEST * variances.amax().clamp(min=torch.finfo(torch.float64).tiny)
    scaled: Tensor = directions[kept].T * variances[kept] ** -0.25
    return scaled / variances[kept].sqrt().sum().sqrt() if kept.any() else scaled


def variances(candidates: tuple[Candidate, ...]) -> Tensor:
    """Prior variances (M, 3) of the three parts."""
    return torch.tensor([[one.offset, one.affine, one.layer] for one in candidates], dtype=torch.float64)


def kernels(candidates: tuple[Candidate, ...], parts: tuple[Tensor, Tensor, Tensor], groups: Tensor | None) -> Tensor:
    """Prior covariance (M, N, N) of the corrections of N labels, in units of the noise."""
    products = torch.stack([part @ part.T for part in parts])
    common = torch.einsum("mp,pij->mij", variances(candidates), products)
    if groups is None:
        return common
    own = torch.tensor([one.by_group for one in candidates], dtype=torch.float64)
    same = (groups[:, None] == groups).double()
    return common * (1 + own[:, None, None] * same)
