"""mSDA: marginalised stacked denoising autoencoders, in closed form."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import nn

from ...data.domains import Inputs, Labelled, Unlabelled, to_float
from ...errors import InputError
from ...networks.feature_maps import BATCH, Denoiser, Words
from ...settings import settings
from ...training.loop import Loop, Report
from .base import FeatureMapping
from .msda_solver import Workspace, denoise

WIDEST = 20_000  # most features; a square matrix of this size is kept in memory


@settings
class MSDA(FeatureMapping):
    """Marginalised stacked denoising autoencoders: linear layers restore randomly removed words, in closed form.

    Each layer learns to reconstruct words that were randomly set to zero. A layer is linear, so the expectation over
    all random corruptions has a closed form, and no corrupted copy is sampled. With samples in the rows of X, centred
    Xc, q = 1 - noise and D = diag(q (1 - q) sum X^2 + ridge), its weights are

        W = q C inv(q^2 C + D),   C = Xc' Xc;   b = m - q W m,   m the mean of X.

    This is the paper's solution of a (F + 1) x (F + 1) system. The bias, which the noise never removes, is solved
    first.

    The computation is fast for these reasons. With A = Xc D^-1/2 the system is I + q^2 A' A. Its condition number is at
    most 1 + F q / noise, so float32 is accurate enough (the solution is checked; if the check fails, float64 is used).
    The system is symmetric positive definite (Cholesky). If there are more words than documents, the same solution
    follows from a system of the size of the documents (Woodbury):

        W = q D^1/2 T' T D^-1/2,   T = inv(L) A,   L L' = I + q^2 A A'.

    W itself, F by F, is never computed: the layer's output is X W' = D^1/2 (A - inv(L') T) / q, and only T is stored.

    Difference from the paper: for many words the paper reconstructs only frequent words, from random groups of words.
    Here the solution is always the whole one. The paper's classifier is a support vector machine (`then="svm"`).

    References:
        Chen, Xu, Weinberger & Sha (2012). Marginalized denoising autoencoders for domain adaptation. ICML.

    Args:
        term_weighting: how counts are weighed, see `feature_maps.Weighing`.
        noise: probability that a word is set to zero (chosen by cross-validation on the source in the paper).
        layers: number of denoising layers. The outputs of all layers are concatenated with the input.
        ridge: added to the diagonal of the summed squares (1e-5 in the authors' code).
    """

    name: ClassVar[str] = "msda"
    takes_sparse: ClassVar[bool] = True

    term_weighting: Words = "binary"
    noise: float = Field(default=0.7, gt=0, lt=1)
    layers: int = Field(default=5, ge=1)
    ridge: float = Field(default=1e-5, gt=0)

    def learn(self, source: Labelled, target: Unlabelled, loop: Loop, report: Report | None) -> tuple[Inputs, Inputs]:
        width, count = source.shape[0], len(source)
        if width > WIDEST:
            raise InputError(
                f"adapt msda: found {width} features, expected {WIDEST} or fewer, because each layer stores "
                "a matrix of features by features. Keep the most frequent words, or choose --adapt sda"
            )
        total = count + len(target)
        made = Denoiser(width, min(total, width), self.layers, 1 - self.noise, self.term_weighting)
        made.weigh.learn_from(source.inputs, target.inputs)
        mapped = torch.empty(total, made.width)
        for inputs, rows in ((source.inputs, mapped[:count]), (target.inputs, mapped[count:])):
            for part in torch.arange(len(inputs)).split(BATCH):
                rows[part[0] : part[-1] + 1, :width] = made.weigh(to_float(inputs[part]))
        if not mapped[:, :width].isfinite().all():
            raise InputError(
                "adapt msda: found a feature that is not finite, expected numbers. Correct or remove its sample"
            )
        workspace = Workspace.of((total, width))
        for i in range(self.layers):
            layer, restored = denoise(mapped[:, i * width : (i + 1) * width].numpy(), self.noise, self.ridge, workspace)
            torch.tanh(torch.from_numpy(restored), out=mapped[:, (i + 1) * width : (i + 2) * width])
            for part, value in zip((made.halves, made.scales, made.biases), layer, strict=True):
                part[i] = nn.Parameter(torch.from_numpy(value), requires_grad=False)
            if report is not None:
                report(i + 1, {})
        self.feature_map = made
        return mapped[:count], mapped[count:]
