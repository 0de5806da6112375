"""Anatomy of rendered and real eyes: heights of iris, lids and corners against the directions of gaze and head.

One instrument measures both: a network that predicts the iris centre and the lids' landmarks, trained on rendered eyes
of one side (the published crops all look alike). The real eyes are the *dev* days of the protocol *gaze*. Each
quantity is regressed on the pitch and yaw of gaze and head. `level` is its value where gaze and published head pitch
have the mean of the real eyes, `per degree` is its slope with the gaze's pitch, with standard errors. Lengths are in
millimetres at the 1.6 pixels per millimetre of the published crops. The rows are:

    iris above corners    height of the iris centre above the line of the corners
    upper above iris      height of the upper margin above the iris centre
    lower below iris      depth of the lower margin below the iris centre
    aperture              distance between the margins
    iris in the crop      height of the iris centre above the middle of the image

The columns are real eyes, rendered eyes, and rendered eyes with the eyeball on the line of the corners and with the
line of sight on its axis, as before these parameters existed.

    python -m benchmarks.quality.eye_anatomy [--steps 2000] [--seed 0] [--figure anatomy.png]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.lib.gaze import gaze_protocol
from benchmarks.lib.machine import describe
from synth2real import Budget, Route, Unlabelled
from synth2real.randomize import Full
from synth2real.simulate import Eyes, Range
from synth2real.simulate.eyes.geometry import LANDMARKS
from synth2real.tasks import Keypoints
from synth2real.training.model import Model

PIXELS = 1.6  # per millimetre: a focal length of 960 pixels at a distance of 600 mm
SIDE: dict[str, float | Range] = {"left": 1.0, "closed": 0.0}
FORMER = {"eye_height": 0.0, "kappa_in": 0.0, "kappa_up": 0.0}
QUANTITIES = ("iris above corners", "upper above iris", "lower below iris", "aperture", "iris in the crop")
RENDERED = 2000
PITCH, HEAD = 1, 3  # columns of the regression


@dataclass(frozen=True)
class Eyeset:
    """Images (N, 1, H, W) with the pitch and yaw of gaze and head, (N, 2) each, in degrees."""

    name: str
    images: Tensor
    gaze: Tensor
    head: Tensor


def rendered(name: str, seed: int, **ranges: float | Range) -> Eyeset:
    """Rendered eyes of one side."""
    eyes = Eyes(ranges={**SIDE, **ranges}).sample(RENDERED, seed)
    return Eyeset(name, eyes.images, eyes.labels["gaze"].rad2deg(), eyes.labels["head"].rad2deg())


def instrument(steps: int, seed: int) -> Model:
    """A network that predicts the iris centre and the landmarks of the lids, trained on rendered eyes."""
    source = Eyes(label=("iris", "eyelid"), ranges=SIDE)
    columns = tuple(name for label in ("iris", "eyelid") for name in source.columns[label])
    target = Unlabelled(source.sample(200, seed + 1).images)  # not used: the route trains on the source only
    budget = Budget(steps=steps, seed=seed)
    return Route(randomize=Full()).run(source, target, task=Keypoints(columns, source.size), budget=budget).model


def measured(model: Model, eyes: Eyeset) -> Tensor:
    """The quantities (N, 5) of each eye, in millimetres."""
    points = model.predict(Unlabelled(eyes.images)).values.view(-1, 1 + LANDMARKS, 2)
    iris, nose, outer = points[:, 0], points[:, 1], points[:, 1 + LANDMARKS // 2]
    upper, lower = points[:, 1 + LANDMARKS // 4, 1], points[:, 1 + 3 * LANDMARKS // 4, 1]
    slope = (outer - nose)[:, 1] / (outer - nose)[:, 0]
    line = nose[:, 1] + slope * (iris - nose)[:, 0]
    middle = (eyes.images.shape[2] - 1) / 2
    heights = (line - iris[:, 1], iris[:, 1] - upper, lower - iris[:, 1], lower - upper, middle - iris[:, 1])
    return torch.stack(heights, 1) / PIXELS


def regressed(values: Tensor, eyes: Eyeset, at: Tensor) -> tuple[Tensor, Tensor]:
    """Level (Q,) at the angles `at` (4,), slopes with pitches of gaze and head, and standard errors: (Q, 3) each."""
    angles = torch.cat([eyes.gaze, eyes.head], 1).double() - at
    design = torch.cat([torch.ones(len(angles), 1).double(), angles], 1)
    fit = torch.linalg.lstsq(design, values.double()).solution
    noise = (values.double() - design @ fit).square().sum(0) / (len(design) - design.shape[1])
    errors = (torch.linalg.inv(design.T @ design).diagonal()[:, None] * noise).sqrt()
    kept = [0, PITCH, HEAD]
    return fit[kept].T, errors[kept].T


def draw(found: list[tuple[Eyeset, Tensor]], path: Path) -> None:
    """Write a figure: each quantity against the gaze's pitch, means of bins of 3 degrees."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 3.4), layout="constrained")
    for axes, quantity, i in zip(figure.subplots(1, len(QUANTITIES)), QUANTITIES, range(len(QUANTITIES)), strict=True):
        for eyes, values in found:
            bins = (eyes.gaze[:, 0] / 3).round()
            kept = [b for b in bins.unique() if (bins == b).sum() >= 5]
            axes.plot(
                [float(b) * 3 for b in kept], [float(values[bins == b, i].mean()) for b in kept], "o-", label=eyes.name
            )
        axes.set(title=quantity, xlabel="pitch of the gaze, degrees", xlim=(-20, 8))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("mm")
    figure.axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000, help="training steps of the instrument")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path, help="file of a figure: the heights against the gaze's pitch")
    arguments = parser.parse_args()
    real = gaze_protocol().dev
    assert real.given is not None
    sets = [
        Eyeset("real", real.inputs[torch.arange(len(real))], real.labels.rad2deg(), real.given.rad2deg()),
        rendered("rendered", arguments.seed + 2),
        rendered("former", arguments.seed + 2, **FORMER),
    ]
    at = torch.cat([sets[0].gaze.mean(0), sets[0].head.mean(0)]).double()
    model = instrument(arguments.steps, arguments.seed)
    found = [(eyes, measured(model, eyes)) for eyes in sets]
    print(f"anatomy of eyes, {arguments.steps} steps, seed {arguments.seed}; {describe()}")
    print(f"{'mm':20} {'eyes':9} level           per degree of gaze pitch   per degree of head pitch")
    results = [regressed(values, eyes, at) for eyes, values in found]
    for i, quantity in enumerate(QUANTITIES):
        for eyes, (fit, errors) in zip(sets, results, strict=True):
            level, gaze, head = (f"{a:+.3f} ± {b:.3f}" for a, b in zip(fit[i], errors[i], strict=True))
            print(f"{quantity:20} {eyes.name:9} {level:15} {gaze:26} {head}")
    if arguments.figure:
        draw(found, arguments.figure)


if __name__ == "__main__":
    main()
