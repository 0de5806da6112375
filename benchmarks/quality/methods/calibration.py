"""Measures whether calibration recovers the parameters behind the images, and whether it reduces the real error.

Without --real, the target is 500 rendered images with known parameters. First, five parameters have a hidden range
(centre and width), and all others have their true range. Then every parameter is free.

With `--real fonts|eyes|pupils`, the target is real images. The output has the gap, measured without labels, and the
error of a network trained on the source only, both before and after calibration. `--narrow` starts from a simulator
with ranges a fifth as wide. The error is on the dev labels, or with `--score` on the score labels.

    python -m benchmarks.quality.methods.calibration [--sources digits eyes] [--real fonts [--narrow] [--score]]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from statistics import mean, stdev
from typing import Any

import torch

from benchmarks.lib.machine import describe
from benchmarks.lib.points import PointProtocol, figures
from benchmarks.lib.protocols import Protocol, fonts, keep
from benchmarks.quality.protocols.eyes import eyes
from benchmarks.quality.protocols.pupils import pupils
from synth2real import Budget, Model, Route, Unlabelled
from synth2real.calibrate import METHODS, Search, identify
from synth2real.calibrate.ranges import Space, span
from synth2real.errors import InputError
from synth2real.measure.gap import measure_gap
from synth2real.simulate import Digits, Eyes, Range, Simulator
from synth2real.tasks.base import Task

SOURCES: dict[str, tuple[Simulator, tuple[str, ...]]] = {
    "digits": (Digits(), ("height", "rotation", "stroke", "blur", "contrast")),
    "eyes": (Eyes(), ("gaze_pitch", "gaze_yaw", "opening", "exposure", "blur")),
}
REAL: dict[str, Callable[[], Protocol | PointProtocol]] = {"fonts": fonts, "eyes": eyes, "pupils": pupils}
IMAGES = 500  # of the target
FAR, NARROW, WIDE = 0.7, 0.5, 1.5  # largest offset of a hidden centre, and limits of a hidden width; unit: own width
NARROW_SOURCE = 0.2  # width of the ranges with --narrow; unit: own width
GAPS = ("sliced_wasserstein", "mmd", "proxy_a_distance")
NEAR = 0.1  # largest error of a recovered centre; unit: own width


def hidden(space: Space, seed: int) -> dict[str, Range]:
    """Sample the ranges of the target, which the calibration does not know."""
    generator = torch.Generator().manual_seed(1000 + seed)
    unit = torch.rand(2, len(space.names), generator=generator)
    vector = torch.cat([FAR * (2 * unit[0] - 1), NARROW + (WIDE - NARROW) * unit[1]]).double()
    return {name: span(one) for name, one in space.ranges(space.point(vector)).items()}


def errors(space: Space, truth: dict[str, Range], found: dict[str, Range]) -> torch.Tensor:
    """Errors (P, 2) of the centre and of the width of each range. The unit is the own width of the parameter."""
    rows = []
    for name, (low, high) in zip(space.names, space.own, strict=True):
        (a, b), (c, d) = truth[name], found[name]
        rows.append([((c + d) - (a + b)) / 2 / (high - low), ((d - c) - (b - a)) / (high - low)])
    return torch.tensor(rows)


def recover(name: str, truths: int, method: str, first: int) -> None:
    """Print the errors for each hidden truth, the recovered centres, and the intervals that contain the true centre."""
    simulator, names = SOURCES[name]
    space = Space.of(simulator, names, Search().narrowest)
    search = METHODS[method](parameters=names)
    all_errors, estimated_errors = [], []
    print(f"{name}: {truths} truths, {method}; {describe()}")
    print(f"{'truth':6} " + " ".join(f"{n:>18}" for n in names) + "   distance         seconds")
    for seed in range(first, first + truths):
        ranges = hidden(space, seed)
        target = Unlabelled(simulator.with_ranges(**ranges).sample(IMAGES, 500 + seed).images)
        start = time.process_time()
        found = search.fit(simulator, target)
        took = time.process_time() - start
        error = errors(space, ranges, {name: span(one) for name, one in found.ranges.items()})
        all_errors.append(error)
        estimated_errors.append([one.error for one in identify(search, simulator, target, found).constraints])
        cells = " ".join(f"{centre:+9.3f} {width:+8.2f}" for centre, width in error.tolist())
        print(f"{seed:<6} {cells}   {found.before:.3f} -> {found.after:.3f}   {took:.0f}", flush=True)
    centres = torch.stack(all_errors)[:, :, 0].abs()
    widths = torch.stack(all_errors)[:, :, 1].abs()
    print(f"centres within {NEAR:.0%} of their range: {(centres <= NEAR).sum()} of {centres.numel()}")
    print(f"mean error of centres {centres.mean():.3f}, of widths {widths.mean():.3f} of the range")
    covered = centres <= 1.96 * torch.tensor(estimated_errors)
    print(f"95 % intervals that contain the centre: {covered.sum()} of {covered.numel()}", flush=True)


def free(name: str, method: str) -> None:
    """Calibrate with every parameter free; print the distance, and which parameters the images determine."""
    simulator, _ = SOURCES[name]
    space = Space.of(simulator, None, Search().narrowest)
    target = Unlabelled(simulator.with_ranges(**hidden(space, 0)).sample(IMAGES, 500).images)
    search = METHODS[method]()
    try:
        found = search.fit(simulator, target)
    except InputError as error:
        print(f"{name}: {error}")
        return
    judged = identify(search, simulator, target, found)
    print(f"{name}, all {len(space.names)} free, {method}: distance {found.before:.4f} -> {found.after:.4f}")
    for verdict in ("constrained", "weakly", "not"):
        print(f"  {verdict}: {', '.join(one.name for one in judged.constraints if one.verdict == verdict)}")
    print(f"  beyond the rendered images: {judged.unreached:.0%}", flush=True)


def gap(simulator: Simulator, target: Unlabelled) -> str:
    """Distances between the pixels of rendered and of real images, with intervals."""
    found = measure_gap(Unlabelled(simulator.sample(1000, 77).images), target).distances
    return ", ".join(f"{n} {found[n].value:.4f} [{found[n].low:.4f}, {found[n].high:.4f}]" for n in GAPS)


def real(name: str, method: str, narrow: bool, score: bool, steps: int | None, seeds: int) -> None:
    """Print the gap and the error of source only on real images, before and after calibration."""
    protocol = REAL[name]()
    assert isinstance(protocol.source, Simulator)
    given = protocol.source.widened(NARROW_SOURCE) if narrow else protocol.source
    start = time.perf_counter()
    found = METHODS[method]().fit(given, protocol.target)
    part = "score" if score else "dev"
    print(
        f"{protocol.name}{', narrow' * narrow}, {method} in {time.perf_counter() - start:.0f} s; {part} labels, ",
        end="",
    )
    print(f"{seeds} seeds; {describe()}", flush=True)
    for which, simulator in (("as given", given), ("calibrated", found.simulator)):
        models = [
            Route().run(simulator, protocol.target, task=task_of(protocol), budget=Budget(steps=steps, seed=s)).model
            for s in range(seeds)
        ]
        line = scores(protocol, models, score)
        print(f"{which:11} {line.pop('text')}; {gap(simulator, protocol.target)}", flush=True)
        if score:
            about = {"protocol": f"calibration, {name}{', narrow' * narrow}", "method": method, "source": which}
            keep({**about, **line, "steps": steps, "seeds": seeds})


def task_of(protocol: Protocol | PointProtocol) -> Task | None:
    return protocol.task if isinstance(protocol, PointProtocol) else None


def scores(protocol: Protocol | PointProtocol, models: Sequence[Model], score: bool) -> dict[str, Any]:
    """Figures of the models of all seeds, and the same as text under the key `text`."""
    if isinstance(protocol, Protocol):
        accuracies = [float(m.evaluate(protocol.score if score else protocol.dev)["accuracy"]) for m in models]
        spread = stdev(accuracies) if len(accuracies) > 1 else 0.0
        return {"accuracy": accuracies, "text": f"accuracy {mean(accuracies):.4f} ± {spread:.4f}"}
    part, person = protocol.score if score else protocol.dev
    distances = [
        (m.predict(part.unlabelled()).values - part.labels).norm(dim=1).double() * protocol.scale for m in models
    ]
    found = figures(torch.stack(distances), person, protocol.within)
    text = (
        f"median {found['median_px']:.2f} px [{found['median_low']:.2f}, {found['median_high']:.2f}], "
        f"within {protocol.within:g} px {found['within']:.3f}"
    )
    return {**found, "text": text}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", nargs="+", choices=list(SOURCES), default=list(SOURCES))
    parser.add_argument("--real", choices=list(REAL))
    parser.add_argument("--method", choices=list(METHODS), default="posterior")
    parser.add_argument("--truths", type=int, default=5, help="number of hidden truths")
    parser.add_argument("--first", type=int, default=0, help="seed of the first truth")
    parser.add_argument("--free", action="store_true", help="run only the search with every parameter free")
    parser.add_argument("--narrow", action="store_true", help="with --real, start from ranges a fifth as wide")
    parser.add_argument("--score", action="store_true", help="with --real, read the score labels, and store the result")
    parser.add_argument("--steps", type=int, help="with --real, training steps; by default those of the library")
    parser.add_argument("--seeds", type=int, default=3, help="with --real, number of trainings")
    given = parser.parse_args()
    if given.real:
        real(given.real, given.method, given.narrow, given.score, given.steps, given.seeds)
        sys.exit()
    for source in given.sources:
        if not given.free:
            recover(source, given.truths, given.method, given.first)
        free(source, given.method)
