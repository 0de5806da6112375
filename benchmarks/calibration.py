"""Whether calibration finds what made the images, and whether that helps. `python benchmarks/calibration.py`.

Known truth: 500 images rendered with a hidden centre and width of each of five parameters, all others at their truth;
then with every parameter free. `--real fonts|eyes|pupils`: real images; the gap without labels, and the error of a
network that was trained on the source alone, before calibration and after it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import torch
from eyes import eyes
from machine import describe
from points import PointProtocol, figures
from points import errors as of_points
from protocols import Protocol, fonts, print_table
from pupils import pupils

from synth2real import Budget, Route, Unlabelled, compare
from synth2real.calibrate import Search, identify
from synth2real.calibrate.ranges import Space
from synth2real.simulate import Digits, Eyes, Range, Simulator

SOURCES: dict[str, tuple[Simulator, tuple[str, ...]]] = {
    "digits": (Digits(), ("height", "rotation", "stroke", "blur", "contrast")),
    "eyes": (Eyes(), ("gaze_pitch", "gaze_yaw", "opening", "exposure", "blur")),
}
REAL: dict[str, Callable[[], Protocol | PointProtocol]] = {"fonts": fonts, "eyes": eyes, "pupils": pupils}
IMAGES = 500  # real ones
FAR, NARROW, WIDE = 0.7, 0.5, 1.5  # of the hidden centres and widths, in own widths
NEAR = 0.1  # distance of a centre that counts as recovered, in own widths


def hidden(space: Space, seed: int) -> dict[str, Range]:
    """Ranges that nobody knows."""
    generator = torch.Generator().manual_seed(1000 + seed)
    unit = torch.rand(2, len(space.names), generator=generator)
    vector = torch.cat([FAR * (2 * unit[0] - 1), NARROW + (WIDE - NARROW) * unit[1]]).double()
    return space.ranges(space.point(vector))


def errors(space: Space, truth: dict[str, Range], found: dict[str, Range]) -> torch.Tensor:
    """(P, 2) of the centre and of the width of each range, in own widths."""
    rows = []
    for name, (low, high) in zip(space.names, space.own, strict=True):
        (a, b), (c, d) = truth[name], found[name]
        rows.append([((c + d) - (a + b)) / 2 / (high - low), ((d - c) - (b - a)) / (high - low)])
    return torch.tensor(rows)


def recover(name: str, truths: int, trials: int, distance: str, learn: int, first: int) -> None:
    """Print each hidden truth's errors, and the share of the centres recovered."""
    simulator, names = SOURCES[name]
    space = Space.of(simulator, names, Search().narrowest)
    search = Search(parameters=names, trials=trials, distance=distance, learn=learn)  # type: ignore[arg-type]
    all_errors = []
    print(f"{name}: {truths} truths, {trials} trials of {distance}, {learn} images to learn from; {describe()}")
    print(f"{'truth':6} " + " ".join(f"{n:>18}" for n in names) + "   distance         seconds")
    for seed in range(first, first + truths):
        ranges = hidden(space, seed)
        target = Unlabelled(simulator.with_ranges(**ranges).sample(IMAGES, 500 + seed).images)
        start = time.process_time()
        found = search.fit(simulator, target)
        took = time.process_time() - start
        error = errors(space, ranges, found.ranges)
        all_errors.append(error)
        cells = " ".join(f"{centre:+9.3f} {width:+8.2f}" for centre, width in error.tolist())
        print(f"{seed:<6} {cells}   {found.before:.3f} -> {found.after:.3f}   {took:.0f}", flush=True)
    centres = torch.stack(all_errors)[:, :, 0].abs()
    widths = torch.stack(all_errors)[:, :, 1].abs()
    print(f"centres within {NEAR:.0%} of their range: {(centres <= NEAR).sum()} of {centres.numel()}")
    print(f"mean error of centres {centres.mean():.3f}, of widths {widths.mean():.3f} of the range")


def free(name: str, trials: int, distance: str) -> None:
    """With every parameter free: how far the distance falls, and which parameters the images cannot tell."""
    simulator, _ = SOURCES[name]
    space = Space.of(simulator, None, Search().narrowest)
    target = Unlabelled(simulator.with_ranges(**hidden(space, 0)).sample(IMAGES, 500).images)
    search = Search(trials=trials, distance=distance)  # type: ignore[arg-type]
    found = search.fit(simulator, target)
    judged = identify(search, simulator, target, found)
    print(f"{name}, all {len(space.names)} free: distance {found.before:.4f} -> {found.after:.4f}")
    for verdict in ("constrained", "weakly", "not"):
        print(f"  {verdict}: {', '.join(one.name for one in judged.constraints if one.verdict == verdict)}")
    print(f"  beyond what is rendered: {judged.unreached:.0%}", flush=True)


def real(name: str, trials: int, distance: str, steps: int | None, seeds: int) -> None:
    """Gap and error of source only, calibrated or not, on real images; dev labels."""
    search = Search(trials=trials, distance=distance)  # type: ignore[arg-type]
    routes = {"calibrated": Route(calibrate=search)}
    protocol = REAL[name]()
    points = isinstance(protocol, PointProtocol)
    comparison = compare(
        routes,
        protocol.source,
        protocol.target,
        test=None if points else protocol.dev,
        task=protocol.task if points else None,
        budget=Budget(steps=steps),
        seeds=tuple(range(seeds)),
        repeat="all",
    )
    if not points:
        print_table(protocol.name, comparison, "dev", steps)
        return
    part, person = protocol.dev
    print(f"{protocol.name}, dev labels, {seeds} seeds; {describe()}")
    for row, (route, error) in zip(comparison.rows(), of_points(comparison, protocol, part).items(), strict=True):
        found = figures(error, person, protocol.within)
        gaps = f"gap {row['gap_before']:.2f} -> {row['gap_after']:.2f}"
        print(f"{route:14} median {found['median_px']:.2f} px, within {found['within']:.3f}, {gaps}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", nargs="+", choices=list(SOURCES), default=list(SOURCES))
    parser.add_argument("--real", choices=list(REAL))
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--truths", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="of the truths")
    parser.add_argument("--learn", type=int, default=12000, help="images to learn the moments from, each time")
    parser.add_argument("--distance", default="moments")
    parser.add_argument("--free", action="store_true", help="only the search with every parameter free")
    parser.add_argument("--steps", type=int, help="of training, with --real")
    parser.add_argument("--seeds", type=int, default=3, help="of training, with --real")
    arguments = parser.parse_args()
    if arguments.real:
        real(arguments.real, arguments.trials, arguments.distance, arguments.steps, arguments.seeds)
        sys.exit()
    for source in arguments.sources:
        if not arguments.free:
            recover(source, arguments.truths, arguments.trials, arguments.distance, arguments.learn, arguments.first)
        free(source, arguments.trials, arguments.distance)
