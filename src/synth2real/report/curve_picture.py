"""The picture of a learning curve: scores with their intervals, the fitted law, and what it says of more images."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..comparison.image_curve import ImageCurve
from ..storage import whole

SIZE, DOTS = (7, 4.5), 120  # inches, and dots per inch


def save_curve(found: ImageCurve, path: Path) -> None:
    """Write the curve as PNG.

    Raises:
        WriteError: the file cannot be written.
    """
    from matplotlib.figure import Figure  # its import takes a second

    figure = Figure(SIZE, layout="constrained")
    axes = figure.add_subplot()
    rows, law, gain = found.rows(), found.curve.law, found.gain
    sizes = np.array([row["images"] for row in rows], float)
    scores = np.array([row["score"] for row in rows])
    reach = np.abs(np.array([row["interval"] for row in rows]).T - scores)
    axes.errorbar(sizes, scores, reach, fmt="none", ecolor="C0", capsize=3)
    for of_seed in np.array([row["seeds"] for row in rows]).T:
        axes.plot(sizes, of_seed, "o", color="C0", alpha=0.5, markersize=4)
    along = np.geomspace(sizes[0], sizes[-1] + gain.more, 100)
    axes.plot(along, [1 - law.error(n) for n in along], color="C1", label="fitted: 1 - (a + b n$^{-c}$)")
    end, last = sizes[-1] + gain.more, 1 - law.error(sizes[-1])
    ends = [[gain.value - gain.low], [gain.high - gain.value]]
    axes.errorbar([end], [last + gain.value], np.clip(ends, 0, None), fmt="s", color="C1", capsize=3)
    axes.annotate(f"another {gain.more:,}", (end, last + gain.value), (0, 12), textcoords="offset points", ha="right")
    axes.set_xscale("log")
    axes.set_xticks([*sizes, end], [f"{size:,.0f}" for size in (*sizes, end)])
    axes.minorticks_off()
    axes.set_xlabel("images")
    axes.set_ylabel("label-free score")
    axes.set_title(f"{found.plan.steps} steps of each training, {len(found.plan.seeds)} seeds", fontsize=10)
    axes.legend(frameon=False, loc="lower right")
    with whole(path) as partial:
        figure.savefig(partial, dpi=DOTS)
