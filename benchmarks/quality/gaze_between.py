"""Gaze between two simulators: angular error of every route. It replaces real eyes with known gaze, which are scarce.

The source is `eyes` with narrow ranges around the middle of its webcam preset. The target is separate and harder. Each
of its ranges is outside the source's range or several times as wide: closer lids, glasses, make-up, hard side light,
blur, noise, darker and paler people, another camera. Routes see the target images without their gaze.

    python -m benchmarks.quality.gaze_between [--steps 800] [--seeds 3] [--routes randomized teacher]
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.lib.machine import describe
from benchmarks.lib.points import routes
from synth2real import Budget, Route, compare
from synth2real.simulate import Eyes, Simulator
from synth2real.tasks import Gaze
from synth2real.tasks.directions import degrees_between

NARROW = 0.4  # width of the source's ranges; unit: width in the preset
POSE = (
    "gaze_pitch",
    "gaze_yaw",
    "head_pitch",
    "head_yaw",
    "left",
)  # labels and head pose: equally wide in source and target
HARDER: dict[str, float | tuple[float, float]] = {
    "opening": (0.5, 1.0),
    "lower_lid": (3.0, 5.5),
    "roll": (-16, 16),
    "field": (30, 46),
    "offset_x": (-3.5, 3.5),
    "skin": (0.1, 1.0),
    "iris_tone": (0.02, 0.5),
    "sclera": (0.2, 0.95),
    "makeup": (0.0, 0.8),
    "glasses": 0.3,
    "light_x": (-2.0, 2.0),
    "ambient": (0.05, 0.5),
    "lid_shadow": (0.3, 1.0),
    "corner_shadow": (0.3, 1.0),
    "falloff_x": (-1.0, 1.0),
    "fibres": (0.3, 1.0),
    "ring": (0.3, 1.0),
    "blur": (1.0, 2.2),
    "grain": (0.02, 0.08),
    "upper_lash": (2.0, 6.0),
    "lash_density": (0.5, 1.0),
    "equalised": 0.5,
}
TARGETS, TESTS = 3000, 1000
TARGET_SEED, TEST_SEED = 7_000_001, 7_000_002


def narrow() -> Simulator:
    """The simulator of the source."""
    eyes = Eyes(label="gaze")
    return eyes.widened(NARROW).with_ranges(**{name: eyes.range(name) for name in POSE})


def harder() -> Simulator:
    """The simulator of the target and of the test images."""
    return Eyes(label="gaze", ranges=HARDER)


def bounds(budget: Budget) -> tuple[float, float]:
    """Reference errors in degrees.

    Returns:
        The error of always predicting the mean gaze of the source, and the error of one network (one seed) trained on
        the target's own simulator.
    """
    test = harder().labelled(TESTS, TEST_SEED)
    middle = narrow().labelled(TESTS, 0).labels.mean(0, keepdim=True)
    own = Route().run(harder(), test.unlabelled(), task=Gaze(), budget=budget).model
    constant = degrees_between(test.labels, middle.expand_as(test.labels))
    return float(constant.mean()), float(own.evaluate(test)["mean_degrees"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, help="training steps; by default those of the library")
    parser.add_argument("--n", type=int, default=Budget.n, help="number of rendered images")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--routes", nargs="+", help="names of the routes; source only is always added; all by default")
    arguments = parser.parse_args()
    budget = Budget(steps=arguments.steps, n=arguments.n)
    comparison = compare(
        {name: route for name, route in routes().items() if name in (arguments.routes or routes())},
        narrow(),
        harder().labelled(TARGETS, TARGET_SEED).unlabelled(),
        test=harder().labelled(TESTS, TEST_SEED),
        task=Gaze(),
        budget=budget,
        seeds=tuple(range(arguments.seeds)),
        repeat="all",
        on_route=lambda name, seed: print(f"gaze between simulators: {name}, seed {seed}", file=sys.stderr, flush=True),
    )
    print(f"gaze between two simulators, {arguments.seeds} seeds; {describe()}")
    print(f"{'route':14} degrees (mean ± std over seeds)   label-free   seconds")
    for row in comparison.rows():
        degrees = f"{row['mean_degrees_mean']:.2f} ± {row['mean_degrees_std'] or 0:.2f}"
        mark = "  <- chosen without real labels" if row["chosen"] else ""
        print(f"{row['name']:14} {degrees:34} {row['score_label_free']:<12.4f} {row['seconds']:.0f}{mark}")
    constant, own = bounds(budget)
    print(f"always predicting the mean gaze {constant:.2f} degrees; trained on the target's own simulator {own:.2f}")


if __name__ == "__main__":
    main()
