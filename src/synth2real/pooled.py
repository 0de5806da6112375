"""The routes of a comparison as one pool: what each of them is estimated to reach on real data."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .entries import Entry
from .estimates import Estimate, errors_on_source, estimate
from .tasks import Classification
from .trials import Bench, evenly, some
from .validators import Pool, labels_of, observe

ON_A_LINE = 3  # candidates through whose agreements a line can be laid


def pool_of(entries: Sequence[Entry], bench: Bench, target_groups: Tensor | None = None) -> Pool:
    """What the first model of each route says of the held source, and of at most 1,000 samples of the target.

    Args:
        target_groups: of all target samples (N,) int64.
    """
    target = some(bench.target)
    seen = [
        observe(trial.run.model, bench.held, target, name=entry.name, seed=trial.seed, probed=False)
        for entry, trial in ((entry, entry.trials[0]) for entry in entries)
    ]
    groups = None if target_groups is None else target_groups[evenly(len(bench.target))]
    labels = labels_of(bench.held, bench.task)
    return Pool(seen, bench.task, labels, source_groups=bench.held_groups, target_groups=groups)


def estimated(pool: Pool, index: int, on_source: float) -> Estimate | None:
    """The task's metric that one of the candidates is likely to reach on the target; None for values of one alone.

    Classes: agreement on the line, or by transport where there are too few candidates for a line. Values: calibrated
    disagreement. Measured: see docs/validators.md.

    Args:
        on_source: the metric on the held source, in whose units the estimate is given.
    """
    if isinstance(pool.task, Classification):
        return estimate("line" if len(pool.candidates) >= ON_A_LINE else "cot", pool, index)
    if len(pool.candidates) < 2:
        return None
    found, own = estimate("disagreement", pool, index), float(errors_on_source(pool, index).mean())
    unit = on_source / own if own > 0 else 1.0
    return Estimate(unit * found.value, unit * found.low, unit * found.high)
