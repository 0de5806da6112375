"""Label-free scores: how good is each of several trained models on the unlabelled target? Higher is better."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .tasks import Classification, Task


def ensemble_agreement(predictions: Sequence[Tensor], task: Task) -> list[float]:
    """EnsV: how far each candidate agrees with all of them together, on the same target samples.

    Classification: the share of samples whose class is that of the mean of all candidates' probabilities. Values: minus
    the mean distance from the candidates' median, in units of its spread.

    Assumes that the candidates' errors differ; where most of them err alike it favours those.

    Args:
        predictions: one tensor (N, C) of probabilities or (N, K) of values a candidate.
        task: whose predictions they are.

    References:
        Hu, Liang, Liew, Xue, Bai & Wang (2024). Towards reliable model selection for unsupervised domain adaptation:
        an empirical study and a certified baseline. NeurIPS.
    """
    stacked = torch.stack(list(predictions))
    if isinstance(task, Classification):
        together = stacked.mean(0).argmax(1)
        return [float((one.argmax(1) == together).double().mean()) for one in stacked]
    together = stacked.median(0).values
    spread = together.std(0).clamp(min=1e-6)
    return [-float(((one - together) / spread).abs().mean()) for one in stacked]
