"""What the demos compare: the routes, the data, and how long each is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...adapt import DANN, Objective, Teacher
from ...calibrate import Posterior
from ...data.domains import Labelled, Unlabelled
from ...datasets import handwriting
from ...errors import InputError
from ...randomize import Full, Geometric, Widen
from ...refine import SimGAN
from ...route.route import Route
from ...simulate import Blood, Digits, Nuclei, Simulator
from ...tasks import Classification, Detection, Segmentation

# Images of 8 x 8 pixels show little except shape, so shape is randomized more than usual. Every digit fills the frame.
MOVED = Geometric(strength=0.7, scale=0.2)
# Another microscope: larger nuclei, less in focus, on a brighter ground, with more noise than the default ranges have.
ELSEWHERE: dict[str, float | tuple[float, float]] = {
    "field": (60, 110),
    "brightness": (15, 60),
    "defocus": (1.5, 4.0),
    "halo": (0.15, 0.4),
    "glow": (0.1, 0.3),
    "texture": (0.2, 0.5),
    "photons": (2, 12),
}
MASK_SIDE = 64  # pixels
# Another laboratory: a stronger and bluer stain under a yellower lamp, denser fields, less in focus, with more noise.
OTHER_SMEARS: dict[str, float | tuple[float, float]] = {
    "crowding": (0.4, 1.1),
    "red_density": (0.35, 0.6),
    "nucleus_density": (0.8, 1.2),
    "warmth": (0.03, 0.12),
    "coolness": (-0.15, -0.05),
    "blur": (0.35, 0.8),
    "noise": (2, 6),
    "platelet_blue": (0.4, 0.9),
}
SMEAR = (60, 80)  # height and width in pixels


@dataclass(frozen=True)
class Demo:
    """One demo.

    Args:
        source, target, test: as in `compare`.
        routes: by name.
        then: the combinations that are trained after them.
        steps, n, batch: of each training: steps, rendered images, and samples of each domain in a step.
        where: what the target is, in a word.
        note: what must be known of the target, in a sentence; empty if nothing.
    """

    source: Simulator
    target: Unlabelled
    test: Labelled
    routes: dict[str, Route]
    then: Callable[[Sequence[str]], Mapping[str, Route]] | None
    steps: int
    n: int
    batch: int
    where: str
    note: str = ""


def demo_of(task: str, fast: bool) -> Demo:
    """The demo of a task.

    Raises:
        InputError: the task has no demo.
    """
    demos = {Classification.kind: digits, Segmentation.kind: nuclei, Detection.kind: blood}
    if task not in demos:
        raise InputError(f"--task {task} has no demo, expected one of: {', '.join(demos)}")
    return demos[task](fast)


def digits(fast: bool) -> Demo:
    """From rendered digits to the real handwriting that scikit-learn ships."""
    target, test = handwriting()
    steps, n = (150, 2000) if fast else (1000, 5000)
    return Demo(Digits(size=(8, 8)), target, test, digit_routes(fast), combination, steps, n, 64, where="real")


def nuclei(fast: bool) -> Demo:
    """From rendered nuclei to those of another simulated microscope: no real masks are part of the library."""
    note = "The target is not real: it is rendered by the same simulator with other ranges, as another microscope."
    return between(Nuclei(size=(MASK_SIDE, MASK_SIDE)), ELSEWHERE, fast, note)


def blood(fast: bool) -> Demo:
    """From rendered blood smears to those of another simulated laboratory: no real boxes are part of the library."""
    note = "The target is not real: it is rendered by the same simulator with other ranges, as another laboratory."
    return between(Blood(size=SMEAR), OTHER_SMEARS, fast, note)


def between(simulator: Simulator, ranges: Mapping[str, float | tuple[float, float]], fast: bool, note: str) -> Demo:
    """From the images of a dense task to those of the same simulator with other ranges."""
    elsewhere = simulator.with_ranges(**ranges)
    target = elsewhere.labelled(60 if fast else 300, 1).unlabelled()
    test = elsewhere.labelled(40 if fast else 200, 2)
    routes = {"randomized": Route(randomize=Full()), "teacher": Route(randomize=Full(), adapt=Teacher())}
    if not fast:
        routes |= {"dann": Route(randomize=Full(), adapt=DANN())}
    steps, n = (60, 300) if fast else (400, 2000)
    return Demo(simulator, target, test, routes, None, steps, n, 16, where="target", note=note)


def digit_routes(fast: bool) -> dict[str, Route]:
    """Each way across the gap by itself."""
    alone = {
        "calibrated": Route(calibrate=Posterior()),
        "randomized": Route(randomize=MOVED),
        "refined": Route(refine=SimGAN()),
        "dann": Route(randomize=MOVED, adapt=DANN()),
        "teacher": Route(randomize=MOVED, adapt=teacher()),
    }
    return {name: alone[name] for name in ("calibrated", "teacher")} if fast else alone


def teacher() -> Teacher:
    """The forms hold each digit equally often, as the renders do. That is known without any label."""
    return Teacher(alignment="exact")


def combination(ranked: Sequence[str]) -> dict[str, Route]:
    """Calibrated and randomized, with the better of the two adaptations.

    The ranges are widened after calibration, because the calibration matches the mean of a few writers only.
    """
    adaptations: dict[str, Objective] = {"dann": DANN(), "teacher": teacher()}
    name = next(name for name in ranked if name in adaptations)
    return {
        f"calibrated + randomized + {name}": Route(
            calibrate=Posterior(), widen=Widen(factor=1.5), randomize=MOVED, adapt=adaptations[name]
        )
    }
