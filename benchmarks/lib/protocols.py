"""The protocols *digits*, *fonts* and *usps*: training data, test data, and the table of one comparison.

The environment variable SYNTH2REAL_DATA names the folder of the real data. Without it, the folder is ../shared/data
beside the repository. The labels of the *dev* part serve to choose defaults. The labels of the *score* part are read
only with --score. Each run with --score adds lines to benchmarks/results/scores.jsonl.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchmarks.lib.machine import describe
from synth2real import Budget, Comparison, Labelled, Route, Unlabelled, compare
from synth2real.adapt import DANN, Teacher
from synth2real.randomize import Full
from synth2real.simulate import Digits, Simulator

RESULTS = Path(__file__).parents[1] / "results"
SCORES = RESULTS / "scores.jsonl"
DATA = Path(__file__).parents[3] / "shared" / "data"
CLASSES = tuple("0123456789")


@dataclass(frozen=True)
class Protocol:
    """Labelled source, unlabelled target, and two separate sets of real labels: `dev` and `score`."""

    name: str
    source: Labelled | Simulator
    target: Unlabelled
    dev: Labelled
    score: Labelled


def data_folder() -> Path:
    """Folder of the real data. Ends the program if the data is not there."""
    folder = Path(os.environ.get("SYNTH2REAL_DATA", DATA))
    if not (folder / "mnist.npz").is_file():
        sys.exit(f"{folder}: found no mnist.npz, expected the real data there. Set SYNTH2REAL_DATA to its folder")
    return folder


def images_of(name: str) -> tuple[Tensor, Tensor]:
    """Read one file of the real data: images (N, C, H, W) uint8 and class indices (N,)."""
    with np.load(data_folder() / name) as arrays:
        images, labels = torch.from_numpy(arrays["images"]), _indices(arrays["labels"])
    return images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous(), labels


def _indices(labels: NDArray[Any]) -> Tensor:
    return torch.from_numpy(labels.astype(np.int64))


def fonts() -> Protocol:
    """Rendered digits to MNIST."""
    images, labels = images_of("mnist.npz")
    return Protocol(
        "fonts",
        Digits(),
        Unlabelled(images[:7000]),
        Labelled(images[:1000], labels[:1000], CLASSES),
        Labelled(images[7000:], labels[7000:], CLASSES),
    )


def digits() -> Protocol:
    """MNIST to MNIST-M. No image of the target contains a digit of the source."""
    plain, labels = images_of("mnist.npz")
    blended, blended_labels = images_of("mnist_m.npz")
    return Protocol(
        "digits",
        Labelled(plain[:4000].expand(-1, 3, -1, -1).contiguous(), labels[:4000], CLASSES),
        Unlabelled(blended[4000:7000]),
        Labelled(blended[4000:5000], blended_labels[4000:5000], CLASSES),
        Labelled(blended[7000:], blended_labels[7000:], CLASSES),
    )


def mnist_to_usps() -> Protocol:
    """MNIST to USPS, at 16 by 16 pixels."""
    digits, digit_labels, codes, code_labels = usps_and_mnist()
    with np.load(data_folder() / "usps.npz") as arrays:
        unseen, unseen_labels = torch.from_numpy(arrays["test_images"])[:, None], _indices(arrays["test_labels"])
    return Protocol(
        "mnist to usps",
        Labelled(digits[:7000], digit_labels[:7000], CLASSES),
        Unlabelled(codes),
        Labelled(codes[:1000], code_labels[:1000], CLASSES),
        Labelled(unseen, unseen_labels, CLASSES),
    )


def unbalanced(source: float, target: float) -> Protocol:
    """MNIST to USPS with different class shares in the two domains.

    A domain with share s keeps the fraction s of the samples of the first five classes, and the fraction 1 - s of the
    samples of the other classes.
    """
    given = mnist_to_usps()
    assert isinstance(given.source, Labelled)
    codes, code_labels = usps_and_mnist()[2:]
    everything = Labelled(codes, code_labels, CLASSES)
    return Protocol(
        f"mnist to usps, balance {source:g} to {target:g}",
        _unbalanced(given.source, source),
        _unbalanced(everything, target).unlabelled(),
        _unbalanced(given.dev, target),
        _unbalanced(given.score, target),
    )


def reversed_balance() -> Protocol:
    """MNIST to USPS with reversed class shares.

    The first five classes have nine times as many samples as the others in the source, and a ninth in the target.
    """
    return replace(unbalanced(0.9, 0.1), name="reversed balance")


def _unbalanced(data: Labelled, share: float) -> Labelled:
    """Keep the fraction `share` of the first half of the classes, and 1 - `share` of the second half."""
    kept = torch.where(data.labels < len(CLASSES) / 2, share, 1 - share)
    sampled = torch.rand(len(data), generator=torch.Generator().manual_seed(0))
    return data.subset((sampled < kept).nonzero()[:, 0])


def usps_to_mnist() -> Protocol:
    """USPS to MNIST, at 16 by 16 pixels."""
    digits, digit_labels, codes, code_labels = usps_and_mnist()
    return Protocol(
        "usps to mnist",
        Labelled(codes, code_labels, CLASSES),
        Unlabelled(digits[:7000]),
        Labelled(digits[:1000], digit_labels[:1000], CLASSES),
        Labelled(digits[7000:], digit_labels[7000:], CLASSES),
    )


def usps_and_mnist() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """MNIST at the 16 by 16 pixels of USPS with its labels, and the training set of USPS with its labels.

    Images are (N, 1, 16, 16) uint8.
    """
    images, labels = images_of("mnist.npz")
    small = F.interpolate(images.float(), (16, 16), mode="area").round().to(torch.uint8)
    with np.load(data_folder() / "usps.npz") as arrays:
        return small, labels, torch.from_numpy(arrays["train_images"])[:, None], _indices(arrays["train_labels"])


def routes() -> dict[str, Route]:
    """The routes that every protocol compares, with their defaults."""
    return {
        "dann": Route(randomize=Full(), adapt=DANN()),
        "teacher": Route(randomize=Full(), adapt=Teacher()),
    }


def bench(
    protocol: Callable[[], Protocol],
    routes: Callable[[], Mapping[str, Route]] = routes,
    description: str | None = None,
) -> None:
    """Compare the routes on one protocol, each with every seed, and print the table."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--score", action="store_true", help="read the score labels, and store the result")
    parser.add_argument("--steps", type=int, help="training steps; by default those of the library")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--routes", nargs="+", help="names of the routes; source only is always added; all by default")
    arguments = parser.parse_args()
    chosen = protocol()
    comparison = compare(
        {name: route for name, route in routes().items() if name in (arguments.routes or routes())},
        chosen.source,
        chosen.target,
        test=chosen.score if arguments.score else chosen.dev,
        budget=Budget(steps=arguments.steps),
        seeds=tuple(range(arguments.seeds)),
        repeat="all",
        on_route=lambda name, seed: print(f"{chosen.name}: {name}, seed {seed}", file=sys.stderr),
    )
    print_table(chosen.name, comparison, "score" if arguments.score else "dev", arguments.steps)


def print_table(name: str, comparison: Comparison, part: str, steps: int | None) -> None:
    """Print one row for each route. With score labels, also append one line for each route to scores.jsonl."""
    print(f"{name}, {part} labels; {describe()}")
    print(f"{'route':14} accuracy (mean ± std over seeds)   label-free   gap before -> after   seconds")
    for row in comparison.rows():
        accuracy = f"{row['accuracy_mean']:.4f} ± {row['accuracy_std'] or 0:.4f}"
        gaps = f"{row['gap_before']:.2f} -> {row['gap_after']:.2f}"
        mark = "  <- chosen without real labels" if row["chosen"] else ""
        print(f"{row['name']:14} {accuracy:35} {row['score_label_free']:<12.4f} {gaps:21} {row['seconds']:.0f}{mark}")
        if part == "score":
            keep({"protocol": name, "steps": steps, **row})


def keep(line: Mapping[str, Any], file: Path | None = None) -> None:
    """Append a result with its date and machine to `file`, by default to scores.jsonl."""
    dated = {"date": datetime.now(UTC).date().isoformat(), **line, "machine": describe()}
    with (file or SCORES).open("a") as lines:
        lines.write(json.dumps(dated) + "\n")


def dense_arguments(description: str, protocols: Iterable[str], steps: int, n: int) -> argparse.Namespace:
    """The command line of the protocols of masks and boxes, with its default numbers of steps and images."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol", choices=list(protocols))
    parser.add_argument("--score", action="store_true", help="use the score labels, and store the result")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, help="by default it follows from the size of the images")
    parser.add_argument("--n", type=int, default=n, help="number of rendered images")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--routes", nargs="+", help="names of the routes; all by default")
    return parser.parse_args()
