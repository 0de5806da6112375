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
from .denoising import Room, denoise

WIDEST = 20_000  # features of which a square matrix is still held in memory


@settings
class MSDA(FeatureMapping):
    """Marginalised stacked denoising autoencoders: each layer learns to restore words that were struck out at random.

    A layer is linear, so the expectation over all strikings has a closed form, and no copy is ever drawn. With samples
    in the rows of X, centred Xc, q = 1 - noise and D = diag(q (1 - q) sum X^2 + ridge), its weights are

        W = q C inv(q^2 C + D),   C = Xc' Xc;   b = m - q W m,   m the mean of X,

    which is the paper's solution of a (F + 1) x (F + 1) system, the bias, which is never struck out, solved for first.

    What makes it fast: with A = Xc D^-1/2 the system is I + q^2 A' A, whose condition is at most 1 + F q / noise, so
    float32 serves (checked on the solution, else float64). It is symmetric positive definite (Cholesky), and where
    words outnumber documents the same solution takes a system of documents (Woodbury):

        W = q D^1/2 T' T D^-1/2,   T = inv(L) A,   L L' = I + q^2 A A'.

    W itself, F by F, is never formed: the layer's output is X W' = D^1/2 (A - inv(L') T) / q, and T is what is kept.

    References:
        Chen, Xu, Weinberger & Sha (2012). Marginalized denoising autoencoders for domain adaptation. ICML.

    Args:
        term_weighting: how counts are weighed, see `feature_maps.Weighing`.
        noise: chance of a word to be struck out.
        layers: of denoising; their outputs stand beside the input.
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
                f"adapt msda: found {width} features, expected {WIDEST} or fewer, as each layer holds their square. "
                "Keep the most frequent words, or choose --adapt sda"
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
                "adapt msda: found a feature that is not finite, expected numbers. Mend or drop its sample"
            )
        stage = Room.of((total, width))
        for i in range(self.layers):
            layer, restored = denoise(mapped[:, i * width : (i + 1) * width].numpy(), self.noise, self.ridge, stage)
            torch.tanh(torch.from_numpy(restored), out=mapped[:, (i + 1) * width : (i + 2) * width])
            for part, value in zip((made.halves, made.scales, made.biases), layer, strict=True):
                part[i] = nn.Parameter(torch.from_numpy(value), requires_grad=False)
            if report is not None:
                report(i + 1, {})
        self.feature_map = made
        return mapped[:count], mapped[count:]
