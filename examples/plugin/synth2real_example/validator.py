"""A validator: scores trained candidates from their outputs, without real labels. Higher is better."""

from __future__ import annotations

from synth2real.select.validators import Pool


def margin(pool: Pool) -> list[float]:
    """Mean distance between the two highest outputs of a target sample, for classes; overrates confident models."""
    return [float(one.target.topk(2, dim=1).values.diff(dim=1).abs().mean()) for one in pool.candidates]
