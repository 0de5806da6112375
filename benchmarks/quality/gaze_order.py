"""Measures whether gaze learnt from rendered eyes orders real eyes from left to right.

The real images are the webcam eyes of `quality/protocols/eyes.py`. Their gaze was not measured, but the centre of the
iris is known. In the crops of one person, the iris moves with the gaze, though not only with the gaze. The images are
grey. A network with three input channels gets three equal channels. The columns are:

    yaw across      Spearman correlation of predicted yaw with the horizontal position of the iris; -1 is perfect,
                    because yaw is positive to the left
    pitch down      Spearman correlation of predicted pitch with the vertical position of the iris
    left, middle    AUC: how often an image of the left third has a greater predicted yaw than one of the middle third;
                    0.5 is chance
    middle, right   the same for the middle and the right third

    python -m benchmarks.quality.gaze_order [--score] [--steps N] [--seeds 2] [--routes randomized teacher]
        [--channels 3]
"""

from __future__ import annotations

import argparse
from statistics import mean

import torch
from scipy.stats import mannwhitneyu, spearmanr
from torch import Tensor

from benchmarks.lib.machine import describe
from benchmarks.lib.points import routes
from benchmarks.quality.protocols.eyes import eyes
from synth2real import Budget, Route, Unlabelled
from synth2real.data.domains import Inputs
from synth2real.simulate import Eyes
from synth2real.tasks import Gaze


def coloured(inputs: Inputs, channels: int) -> Unlabelled:
    """Repeat grey images to this number of equal channels."""
    return Unlabelled(inputs[torch.arange(len(inputs))].expand(-1, channels, -1, -1).contiguous())


def auc(left: Tensor, right: Tensor) -> float:
    """Share of pairs in which the image that looks farther left has the greater yaw."""
    return float(mannwhitneyu(left, right).statistic / (len(left) * len(right)))


def order(gaze: Tensor, iris: Tensor) -> list[float]:
    """The four figures of the table, from `gaze` (N, 2), pitch and yaw, and `iris` (N, 2), x and y."""
    left, middle, right = gaze[:, 1][iris[:, 0].argsort()].tensor_split(3)
    across, down = (float(spearmanr(gaze[:, i], iris[:, 1 - i]).statistic) for i in (1, 0))
    return [across, down, auc(left, middle), auc(middle, right)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--score", action="store_true", help="use the iris positions of the score images")
    parser.add_argument("--steps", type=int, help="training steps; by default those of the library")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--routes",
        nargs="+",
        default=["randomized", "teacher"],
        help="names of the routes; source only is always added",
    )
    parser.add_argument("--channels", type=int, choices=(1, 3), default=3)
    arguments = parser.parse_args()
    protocol = eyes()
    labelled, _ = protocol.score if arguments.score else protocol.dev
    target, test = (coloured(one.inputs, arguments.channels) for one in (protocol.target, labelled))
    source = Eyes(size=(36, 60), channels=arguments.channels, label="gaze")
    print(f"order of real gaze, {'score' if arguments.score else 'dev'} images; {describe()}")
    print(f"{'route':14} yaw across   pitch down   left, middle   middle, right   ({arguments.seeds} seeds)")
    known = {"source only": Route(), **routes()}
    for name in ("source only", *arguments.routes):
        found = []
        for seed in range(arguments.seeds):
            budget = Budget(steps=arguments.steps, seed=seed)
            model = known[name].run(source, target, task=Gaze(), budget=budget).model
            found.append(order(model.predict(test).values, labelled.labels))
        across, down, first, second = (mean(column) for column in zip(*found, strict=True))
        print(f"{name:14} {across:<12.2f} {down:<12.2f} {first:<14.2f} {second:.2f}", flush=True)


if __name__ == "__main__":
    main()
