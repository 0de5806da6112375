"""The correction that a few labels give: its weights, and a prediction of each label by a fit without it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from ...data.domains import Inputs
from ...data.few_labels import FewLabels
from ...tasks import Classification, Task
from ..model import Model
from .candidates import BY_GROUP, COMMON, ONE_LABEL, Basis, Candidate, kernels, variances
from .cross_validation import fit_classes, fit_values, weights

Parts = tuple[Tensor, Tensor, Tensor]


@torch.no_grad()
def seen_by(model: Model, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Features (N, F) and coordinates of the predictions (N, K) of a model, float64 on the CPU."""
    features = model.embed(inputs)
    outputs = model.head(features.to(next(model.parameters()).device)).float().cpu()
    return features.double(), model.task.coordinates(outputs).double()


@dataclass(frozen=True)
class Observed:
    """A few labels, as a model sees them.

    Args:
        task: of the model.
        parts: of the basis, each (N, P).
        coordinates: of the uncorrected predictions (N, K) float64.
        labels: as the losses of the task take them: classes, or (N, K) values of the input as it is.
        groups: (N,) int64; None without groups.
    """

    task: Task
    parts: Parts
    coordinates: Tensor
    labels: Tensor
    groups: Tensor | None

    @classmethod
    def of(cls, task: Task, few: FewLabels, basis: Basis, features: Tensor, coordinates: Tensor) -> Self:
        """The few labels, with their features and coordinates from `seen_by`."""
        data = few.labelled()
        if isinstance(task, Classification):
            labels = task.align(data)
        else:
            labels = task.to_input(data.labels, data.fitting).double()
        return cls(task, basis.parts(features, coordinates), coordinates, labels, few.group_index)

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, index: Tensor) -> Self:
        """The labels at `index`."""
        one, affine, layer = (part[index] for part in self.parts)
        groups = None if self.groups is None else self.groups[index]
        coordinates, labels = self.coordinates[index], self.labels[index]
        return replace(self, parts=(one, affine, layer), coordinates=coordinates, labels=labels, groups=groups)

    def errors(self, corrected: Tensor) -> Tensor:
        """Errors (M, N) of the corrected coordinates (M, N, K) of several candidates, as `weights` takes them."""
        if isinstance(self.task, Classification):
            return torch.stack([F.cross_entropy(one, self.labels, reduction="none") for one in corrected])
        return torch.stack([self.task.distances(one, self.labels) for one in corrected])


@dataclass(frozen=True)
class Fit:
    """A fitted correction.

    Args:
        shares: weight of each kind of candidate; their sum is 1.
        parts: weights of the parts of the basis for each group, (1 + G, P, K); index 0 is the common one.
        held: corrected coordinates (N, K) of each label, by a fit without it.
    """

    shares: dict[str, float]
    parts: Parts
    held: Tensor

    def corrected(self, observed: Observed, groups: Tensor | None) -> Tensor:
        """Corrected coordinates (N, K) of other samples; `groups` counts from 0, None is the common correction."""
        index = torch.zeros(len(observed), dtype=torch.int64) if groups is None else groups + 1
        added = [torch.einsum("np,npk->nk", x, w[index]) for x, w in zip(observed.parts, self.parts, strict=True)]
        return observed.coordinates + torch.stack(added).sum(0)


def fit(observed: Observed, count: int = 0) -> tuple[Fit, Fit | None]:
    """The common correction, and that of each of `count` groups; None if there are no groups.

    The common one is for samples of any group, so it is cross-validated by whole groups if there are several. The one
    by group is for other samples of the same groups, so it is cross-validated by label.
    """
    each = torch.arange(len(observed))
    groups = observed.groups
    several = groups is not None and len(groups.unique()) > 1
    candidates = ONE_LABEL if len(observed) == 1 else COMMON
    common = _fit(observed, candidates, groups if several and groups is not None else each, 0)
    if groups is None:
        return common, None
    own = _fit(observed, candidates if len(observed) == 1 else candidates + BY_GROUP, each, count)
    parts = [torch.cat([a[:1], b[1:]]) for a, b in zip(common.parts, own.parts, strict=True)]
    return common, replace(own, parts=(parts[0], parts[1], parts[2]))


def _fit(observed: Observed, candidates: tuple[Candidate, ...], units: Tensor, count: int) -> Fit:
    classes = isinstance(observed.task, Classification)
    covariance = kernels(candidates, observed.parts, observed.groups if count else None)
    if classes:
        fits = fit_classes(covariance, observed.coordinates, observed.labels, units)
    else:
        residuals = observed.task.residuals(observed.coordinates, observed.labels).double()
        fits = fit_values(covariance, residuals, units)
    errors = observed.errors(observed.coordinates + fits.held)
    shares, of_labels = weights(errors, units, classes=classes)
    return Fit(
        {
            kind: float(sum(share for one, share in zip(candidates, shares, strict=True) if one.kind == kind))
            for kind in dict.fromkeys(one.kind for one in candidates)
        },
        _primal(observed, candidates, shares, fits.dual, count),
        observed.coordinates + torch.einsum("mn,mnk->nk", of_labels, fits.held),
    )


def _primal(observed: Observed, candidates: tuple[Candidate, ...], shares: Tensor, dual: Tensor, count: int) -> Parts:
    """Weights of the parts (1 + count, P, K), averaged over the candidates."""
    own = torch.tensor([one.by_group for one in candidates], dtype=torch.float64)
    scale = shares[:, None] * variances(candidates)
    found = []
    for part, by_part in zip(observed.parts, scale.T, strict=True):
        rows = [part.T @ torch.einsum("m,mnk->nk", by_part, dual)]
        for group in range(count):
            assert observed.groups is not None
            inside = observed.groups == group
            rows.append(rows[0] + part[inside].T @ torch.einsum("m,mnk->nk", by_part * own, dual[:, inside]))
        found.append(torch.stack(rows))
    return found[0], found[1], found[2]
