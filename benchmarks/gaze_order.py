"""Whether gaze learnt from rendered colour eyes orders real ones, whose gaze nobody measured, from left to right.

Real are the webcam eyes of `eyes.py`, of which the centre of the iris is known: within one person's crops it moves with
the gaze, if not with it alone. They are grey, so a network of three channels sees them thrice. Printed are Spearman's
correlation of predicted yaw with the iris's place across (-1 is perfect: yaw is positive to the left), of pitch with
its place down, and how often yaw tells the middle third from the left and from the right one (0.5 is chance).

    python benchmarks/gaze_order.py [--score] [--steps N] [--seeds 2] [--routes randomized teacher] [--channels 3]
"""

from __future__ import annotations

import argparse
from statistics import mean

import torch
from eyes import eyes
from machine import describe
from points import routes
from scipy.stats import mannwhitneyu, spearmanr
from torch import Tensor

from synth2real import Budget, Route, Unlabelled
from synth2real.data.domains import Inputs
from synth2real.simulate import Eyes
from synth2real.tasks import Gaze


def coloured(inputs: Inputs, channels: int) -> Unlabelled:
    """Grey images with so many equal channels."""
    return Unlabelled(inputs[torch.arange(len(inputs))].expand(-1, channels, -1, -1).contiguous())


def told(left: Tensor, right: Tensor) -> float:
    """How often the yaw of one that looks farther left is the greater."""
    return float(mannwhitneyu(left, right).statistic / (len(left) * len(right)))


def order(gaze: Tensor, iris: Tensor) -> list[float]:
    """The four figures, of (N, 2) pitch and yaw, and (N, 2) places of the iris, x and y."""
    left, middle, right = gaze[:, 1][iris[:, 0].argsort()].tensor_split(3)
    across, down = (float(spearmanr(gaze[:, i], iris[:, 1 - i]).statistic) for i in (1, 0))
    return [across, down, told(left, middle), told(middle, right)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--score", action="store_true", help="read the places of the iris in the score images")
    parser.add_argument("--steps", type=int, help="of training; the library's default otherwise")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--routes", nargs="+", default=["randomized", "teacher"], help="beside source only")
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
