"""The protocols *digits*, *fonts* and *usps*: what is trained on, what is scored, and the table of one comparison.

Real data is found by the environment variable SYNTH2REAL_DATA, else in ../shared/data beside the repository. Labels of
the *dev* part choose defaults; those of the *score* part are read with --score alone, and each such run adds lines to
benchmarks/scores.jsonl.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from synth2real import Budget, Comparison, Labelled, Route, Unlabelled, compare
from synth2real.adapt import DANN, Teacher
from synth2real.randomize import Full
from synth2real.simulate import Digits, Simulator

HERE = Path(__file__).parent
SCORES = HERE / "scores.jsonl"
CLASSES = tuple("0123456789")


@dataclass(frozen=True)
class Protocol:
    """Source with labels, target without, and the two kinds of real labels, kept apart."""

    name: str
    source: Labelled | Simulator
    target: Unlabelled
    dev: Labelled
    score: Labelled


def data_folder() -> Path:
    """Where the real data is; ends the program where it is not."""
    folder = Path(os.environ.get("SYNTH2REAL_DATA", HERE.parent.parent / "shared" / "data"))
    if not (folder / "mnist.npz").is_file():
        sys.exit(f"{folder}: found no mnist.npz. Set SYNTH2REAL_DATA to the folder of the real data")
    return folder


def images_of(name: str) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) uint8 and class indices (N,) of a file of the real data."""
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
    """MNIST to MNIST-M; no photograph of the target shows a digit of the source."""
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
    """MNIST to USPS, at 16 by 16."""
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
    """MNIST to USPS; of the first five classes a domain keeps this share of its samples, of the others the rest."""
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
    """MNIST to USPS; of the first five classes the source has nine for one of the others, the target one for nine."""
    return replace(unbalanced(0.9, 0.1), name="reversed balance")


def _unbalanced(data: Labelled, share: float) -> Labelled:
    """Of the first half of the classes this share of the samples, of the others the rest to one."""
    kept = torch.where(data.labels < len(CLASSES) / 2, share, 1 - share)
    drawn = torch.rand(len(data), generator=torch.Generator().manual_seed(0))
    return data.subset((drawn < kept).nonzero()[:, 0])


def usps_to_mnist() -> Protocol:
    """USPS to MNIST, at 16 by 16."""
    digits, digit_labels, codes, code_labels = usps_and_mnist()
    return Protocol(
        "usps to mnist",
        Labelled(codes, code_labels, CLASSES),
        Unlabelled(digits[:7000]),
        Labelled(digits[:1000], digit_labels[:1000], CLASSES),
        Labelled(digits[7000:], digit_labels[7000:], CLASSES),
    )


def usps_and_mnist() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """MNIST at USPS's 16 by 16 with its labels, and USPS's training set with its own; (N, 1, 16, 16) uint8."""
    images, labels = images_of("mnist.npz")
    small = F.interpolate(images.float(), (16, 16), mode="area").round().to(torch.uint8)
    with np.load(data_folder() / "usps.npz") as arrays:
        return small, labels, torch.from_numpy(arrays["train_images"])[:, None], _indices(arrays["train_labels"])


def routes() -> dict[str, Route]:
    """The same routes with the same defaults on every protocol."""
    return {
        "dann": Route(randomize=Full(), adapt=DANN()),
        "teacher": Route(randomize=Full(), adapt=Teacher()),
    }


def bench(protocol: Callable[[], Protocol], routes: Callable[[], Mapping[str, Route]] = routes) -> None:
    """Compare the routes on one protocol and print the table; all of them with every seed."""
    parser = argparse.ArgumentParser(description=protocol.__doc__)
    parser.add_argument("--score", action="store_true", help="read the score labels, and keep the result")
    parser.add_argument("--steps", type=int, help="of training; the library's default otherwise")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--routes", nargs="+", help="names of the routes beside source only; all by default")
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
    """One row a route; with score labels also a line each in scores.jsonl."""
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
    """Append a result with the day and the machine it is of; to scores.jsonl where no file is given."""
    dated = {"date": datetime.now(UTC).date().isoformat(), **line, "machine": describe()}
    with (file or SCORES).open("a") as lines:
        lines.write(json.dumps(dated) + "\n")
