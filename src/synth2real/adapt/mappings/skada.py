"""Classical mappings of features, computed by skada and POT, with the interface of this library.

They need the extra: pip install 'synth2real[skada]'. Except for the components of `TCA`, this module computes no
mapping itself. It reads the target's map, which the model keeps, from the fitted adapter of skada.
"""

from __future__ import annotations

from abc import abstractmethod
from importlib import import_module
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.linalg import eigh
from torch import Tensor, nn

from ...data.domains import Inputs, Labelled, Unlabelled, to_float
from ...errors import InputError
from ...networks.feature_maps import BATCH, FeatureMap, Kernel, Layers
from ...settings import settings
from ...training.loop import Loop, Report
from .base import FeatureMapping

Array = NDArray[Any]
SOURCE, TARGET = 1, -2  # numbers of the domains in skada; targets are negative
UNKNOWN = -1  # label of a target sample
ACCURACY, RISK = 1e5, 0.1  # gamma and delta of the bound of subspace alignment, as in the paper
WIDEST = 10_000  # most features of CORAL, whose time grows with their cube: here it is minutes


@settings
class Skada(FeatureMapping):
    """A mapping computed by an adapter of skada, for dense features only."""

    @abstractmethod
    def adapter(self, skada: Any, source: Array, target: Array) -> Any:
        """The adapter from the module `skada`, not yet fitted, for features (N, F) and (M, F)."""

    def check(self, source: Labelled, target: Unlabelled | None = None) -> None:
        library()
        super().check(source, target)

    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> tuple[Inputs, Inputs]:
        x, y = (everything(domain.inputs).double().numpy() for domain in (source, target))
        domain = np.repeat([SOURCE, TARGET], [len(x), len(y)])
        labels = np.concatenate([source.labels.numpy().reshape(len(x), -1)[:, 0], np.full(len(y), UNKNOWN)])
        self.fitted = self.adapter(library(), x, y)
        self.fitted.fit(np.concatenate([x, y]), labels, sample_domain=domain)
        self.feature_map = self.target_map(x.shape[1])
        return self.transform(torch.from_numpy(x)), self.feature_map(torch.from_numpy(y).float())

    def target_map(self, width: int) -> FeatureMap:
        """The target's map, which is affine. It follows from the images of zero and of the unit vectors."""
        origin = self.mapped(np.zeros((1, width)), TARGET)[0]
        made = Layers((width, len(origin)))
        layer = cast(nn.Linear, made.layers[0])
        for start in range(0, width, BATCH):
            count = min(BATCH, width - start)
            units = self.mapped(np.eye(count, width, start), TARGET)
            layer.weight[:, start : start + count] = (units - origin).T
        layer.bias.copy_(origin)
        return made

    def transform(self, x: Tensor) -> Tensor:
        return self.mapped(x.double().numpy(), SOURCE)

    def mapped(self, x: Any, domain: int) -> Tensor:
        """Samples (N, F) of one domain, transformed by the adapter, float32."""
        made = self.fitted.transform(x, sample_domain=np.full(len(x), domain), allow_source=True)
        return torch.from_numpy(np.ascontiguousarray(made, dtype=np.float32))


@settings
class CoralMapping(Skada):
    """CORAL: whitens the source features, then gives them the covariance of the target.

    Differences from the paper: the features of both domains are centred. The covariances are shrunk towards the
    identity; the paper adds the identity to them.

    References:
        Sun, Feng & Saenko (2016). Return of frustratingly easy domain adaptation. AAAI.

    Args:
        shrinkage: shrinkage of the covariances towards the identity, in 0..1; None uses the rule of Ledoit and Wolf.
    """

    name: ClassVar[str] = "coral-mapping"
    shrinkage: float | None = Field(default=None, ge=0, le=1)

    def check(self, source: Labelled, target: Unlabelled | None = None) -> None:
        super().check(source, target)
        if (width := source.shape[0]) > WIDEST:
            raise InputError(
                f"adapt {self.name}: found {width} features, expected {WIDEST} or fewer, because its time grows with "
                "their cube. Keep fewer, or choose --adapt subspace-alignment or ot-mapping"
            )

    def adapter(self, skada: Any, source: Array, target: Array) -> Any:
        return skada.CORALAdapter(reg="auto" if self.shrinkage is None else self.shrinkage)


@settings
class SubspaceAlignment(Skada):
    """Subspace alignment: a linear map aligns the source's principal components with the target's.

    With as many components as features, the map only centres and rotates the features, which changes nothing for a
    linear classifier. By default the number is the greatest one for which the map is stable, by the bound of the paper.
    The paper then chooses among the smaller numbers by cross-validation on the source. It also standardises each
    feature.

    References:
        Fernando, Habrard, Sebban & Tuytelaars (2013). Unsupervised visual domain adaptation using subspace alignment.
        ICCV.

    Args:
        components: number of components; None for `stable_components`.
    """

    name: ClassVar[str] = "subspace-alignment"
    components: int | None = Field(default=None, ge=1)

    def adapter(self, skada: Any, source: Array, target: Array) -> Any:
        most = min(*source.shape, *target.shape)
        if self.components is not None and self.components > most:
            raise InputError(
                f"adapt.components is {self.components}, but the domains have {most} principal components, expected "
                f"{most} or fewer. Lower it, or leave it out"
            )
        count = self.components or stable_components(source, target)
        return skada.SubspaceAlignmentAdapter(n_components=count, random_state=0)


@settings
class TCA(Skada):
    """Transfer component analysis: kernel components with equal domain means and high variance of the data.

    The kernel is exp(-|x - y|^2 / F). Scale the features so that they vary by about 1. skada (0.6) solves the
    eigenvalue problem of a matrix that is not symmetric by a routine for symmetric ones. The components are therefore
    computed here.

    References:
        Pan, Tsang, Kwok & Yang (2011). Domain adaptation via transfer component analysis. IEEE Transactions on Neural
        Networks 22(2).

    Args:
        components: number of components; None for the number of features.
        mu: weight of the distance between the domains (the inverse of the paper's mu, which weighs the norm).
    """

    name: ClassVar[str] = "tca"
    components: int | None = Field(default=None, ge=1)
    mu: float = Field(default=0.1, gt=0)

    def adapter(self, skada: Any, source: Array, target: Array) -> Any:
        return skada.TransferComponentAnalysisAdapter(kernel="rbf", n_components=self.components, mu=self.mu)

    def target_map(self, width: int) -> FeatureMap:
        samples = np.concatenate([self.fitted.X_source_, self.fitted.X_target_])
        count = min(self.components or width, len(samples))
        weights = transfer_components(self.fitted.K_, len(self.fitted.X_source_), count, self.mu)
        self.fitted.eigvects_ = weights
        made = Kernel(width, len(samples), weights.shape[1], gamma=1 / width)
        made.samples.copy_(torch.from_numpy(samples))
        made.weights.copy_(torch.from_numpy(weights))
        return made


@settings
class OTMapping(Skada):
    """Optimal transport: maps each source sample to the mean of the target samples that it is transported to.

    The paper's regularisation by the source's classes is left out.

    References:
        Courty, Flamary, Tuia & Rakotomamonjy (2017). Optimal transport for domain adaptation. PAMI 39(9).

    Args:
        entropy: entropic regularisation of the transport; None for exact transport.
    """

    name: ClassVar[str] = "ot-mapping"
    entropy: float | None = Field(default=None, gt=0)

    def adapter(self, skada: Any, source: Array, target: Array) -> Any:
        if self.entropy is None:
            return skada.OTMappingAdapter()
        return skada.EntropicOTMappingAdapter(reg_e=self.entropy)

    def target_map(self, width: int) -> FeatureMap:
        return Layers((width,))  # the target stays as it is


def stable_components(source: Array, target: Array) -> int:
    """Greatest number of principal components whose alignment is stable, for features (N, F) and (M, F); at least 1.

    The bound on the d-th eigengap of both covariances is (1 + sqrt(ln(2 / delta) / 2)) 16 d^1.5 B / (gamma sqrt(n)),
    with n the samples of the smaller domain and B the greatest length of a sample (Fernando et al. 2013, section 3.3).
    Each domain is centred, and scaled so that the mean variance of its features is 1.
    """
    most = max(min(source.shape[1], len(source) - 1, len(target) - 1) - 1, 1)
    d, gaps, length = np.arange(1, most + 1), np.full(most, np.inf), 0.0
    for x in (source, target):
        x = x - x.mean(0)
        x /= max(float(np.sqrt(x.var(0).mean())), 1e-12)
        values = np.linalg.svd(x, compute_uv=False) ** 2 / len(x)
        gaps = np.minimum(gaps, -np.diff(values, append=0)[:most])
        length = max(length, float(np.linalg.norm(x, axis=1).max()))
    fewest = min(len(source), len(target))
    bound = (1 + np.sqrt(np.log(2 / RISK) / 2)) * 16 * d**1.5 * length / (ACCURACY * np.sqrt(fewest))
    return int(d[gaps >= bound].max(initial=1))


def transfer_components(kernel: Array, sources: int, count: int, mu: float) -> Array:
    """The leading `count` transfer components (N, count) of a kernel matrix (N, N), each of length 1.

    They maximise the variance w'KHKw for a fixed w'w + mu w'KLKw, with H the centring matrix and w'KLKw the squared
    distance of the domain means. The first `sources` samples are of the source.
    """
    n = len(kernel)
    apart = kernel[:, :sources].mean(1) - kernel[:, sources:].mean(1)
    centred = kernel - kernel.mean(0)
    limits = np.eye(n) + mu * np.outer(apart, apart)
    _, vectors = eigh(centred.T @ centred, limits, subset_by_index=[n - count, n - 1])
    leading: Array = vectors[:, ::-1] / np.linalg.norm(vectors[:, ::-1], axis=0)
    return leading


def everything(inputs: Inputs) -> Tensor:
    """All features of a domain, (N, F) float32."""
    return torch.cat([to_float(inputs[part]) for part in torch.arange(len(inputs)).split(BATCH)])


def library() -> Any:
    """The module skada.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module("skada")
    except ImportError as error:
        raise InputError(
            f"this mapping needs skada and POT ({error}). Install them: pip install 'synth2real[skada]'"
        ) from None
