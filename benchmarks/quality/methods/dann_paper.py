"""The DANN paper's four image protocols at full size (Ganin et al. 2016, table 2), with its networks and schedules.

    python -m benchmarks.quality.methods.dann_paper mnist-mnistm --data FOLDER [--method dann|source-only] [--steps N]

The data folder has the public files. If one is missing, an error names the expected file:

    mnist/       the four idx files, plain or .gz; or train.npz and test.npz
    mnist_m/     train.npz and test.npz; or train/ and test/, each with one folder for each digit
    svhn/        train_32x32.mat and test_32x32.mat; or .npz, or folders
    syn_numbers/ synth_train_32x32.mat and synth_test_32x32.mat; or .npz, or folders
    syn_signs/, gtsrb/   train.npz and test.npz, or train/ and test/ with one folder for each class;
                         images are resized to 40 by 40

An .npz holds `images` (N, H, W, 3) or (N, H, W), uint8, and `labels` (N,). Target labels are used
only to compute the accuracy.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from benchmarks.lib.machine import describe
from synth2real import Budget, InputError, Labelled, Route, load
from synth2real.adapt import DANN
from synth2real.data.reading.class_names import as_classes
from synth2real.data.reading.images import resize

STEPS = 20_000  # the paper gives no number; its learning rate falls as (1 + 10 p) ** -0.75, p from 0 to 1
IDX = {"train": ("train-images", "train-labels"), "test": ("t10k-images", "t10k-labels")}
PAPER_BATCH = 64  # samples of each domain, half of the paper's 128


@dataclass(frozen=True)
class Protocol:
    """One protocol of the paper.

    Args:
        source, target: names of their folders.
        size: height and width of the images after resizing.
        preset: the paper's architecture, a preset of `adapt.DANN`.
        reported: the paper's accuracy of each method.
    """

    source: str
    target: str
    size: tuple[int, int]
    preset: Literal["paper", "paper-svhn", "paper-gtsrb"]
    reported: dict[str, float]


PROTOCOLS = {
    "mnist-mnistm": Protocol("mnist", "mnist_m", (28, 28), "paper", {"source-only": 0.5225, "dann": 0.7666}),
    "synnumbers-svhn": Protocol("syn_numbers", "svhn", (32, 32), "paper-svhn", {"source-only": 0.8674, "dann": 0.9109}),
    "svhn-mnist": Protocol("svhn", "mnist", (32, 32), "paper-svhn", {"source-only": 0.5490, "dann": 0.7385}),
    "synsigns-gtsrb": Protocol("syn_signs", "gtsrb", (40, 40), "paper-gtsrb", {"source-only": 0.7900, "dann": 0.8865}),
}


def read_idx(file: Path) -> np.ndarray:
    """Read a uint8 array from an idx file of MNIST, plain or gzipped."""
    raw = file.read_bytes()
    if file.suffix == ".gz":
        raw = gzip.decompress(raw)
    if len(raw) < 4 or raw[:3] != b"\0\0\x08":
        raise InputError(f"{file}: found no idx file of bytes, expected the first bytes 00 00 08. Download it again")
    shape = tuple(np.frombuffer(raw, ">i4", raw[3], 4).tolist())
    if len(raw) != 4 + 4 * raw[3] + np.prod(shape):
        raise InputError(
            f"{file}: found {len(raw)} bytes, expected a header and an array of shape {shape}. Download it again"
        )
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def read_mat(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read images (N, 32, 32, 3) uint8 and labels (N,) from a .mat file of SVHN, where the digit 0 has the label 10."""
    from scipy.io import loadmat

    arrays = loadmat(file)
    if "X" not in arrays or "y" not in arrays:
        raise InputError(f"{file}: found the arrays {', '.join(arrays)}, expected X and y, as SVHN has them")
    return np.ascontiguousarray(arrays["X"].transpose(3, 0, 1, 2)), arrays["y"].ravel() % 10


def read(data: Path, name: str, part: str, size: tuple[int, int]) -> Labelled:
    """Read one part of a data set as colour images of one size. `data / name` may have any of the known file formats.

    Raises:
        InputError: no known file is there. The message lists the expected files.
    """
    folder = data / name
    if (folder / part).is_dir():
        return load(folder / part, size=size, channels=3)
    if (folder / f"{part}.npz").is_file():
        return load(folder / f"{part}.npz", size=size, channels=3)
    mats = sorted(folder.glob(f"*{part}_32x32.mat"))
    if mats:
        images, labels = read_mat(mats[0])
        return converted(images, labels, size)
    idx = [next(iter(sorted(folder.glob(f"{stem}*"))), None) for stem in IDX[part]]
    if idx[0] is not None and idx[1] is not None:
        return converted(read_idx(idx[0])[..., None], read_idx(idx[1]), size)
    raise InputError(
        f"{folder}: found no {part} part, expected one of: {part}.npz with images and labels, a folder {part}/ with a "
        f"folder for each class, *{part}_32x32.mat as SVHN has it, or {IDX[part][0]}-idx3-ubyte and "
        f"{IDX[part][1]}-idx1-ubyte (or .gz) as MNIST has them. Put the public files of {name} there"
    )


def converted(images: np.ndarray, labels: np.ndarray, size: tuple[int, int]) -> Labelled:
    """Convert images (N, H, W, C) uint8 and labels (N,) to colour images of one size, with classes."""
    x: Tensor = torch.from_numpy(images.copy()).permute(0, 3, 1, 2).contiguous()
    indices, classes = as_classes(labels.tolist())
    return Labelled(resize(x, size, 3), indices, classes)


def run(protocol: Protocol, data: Path, method: str, steps: int, seed: int) -> float:
    """Train as in the paper on the source and the unlabelled target; return the accuracy on the target's test part."""
    source = read(data, protocol.source, "train", protocol.size)
    target = read(data, protocol.target, "train", protocol.size).unlabelled()
    test = read(data, protocol.target, "test", protocol.size)
    # Without the critic's gradient the model learns from the source alone, with everything else as in the paper.
    adapt = DANN(preset=protocol.preset, weight=1.0 if method == "dann" else 0.0)
    budget = Budget(steps=steps, batch=PAPER_BATCH, seed=seed)
    result = Route(adapt=adapt).run(source, target, budget=budget, on_report=show)
    return float(result.model.evaluate(test)["accuracy"])


def show(stage: str, step: int, steps: int, terms: dict[str, float]) -> None:
    if step % 1000 == 0 or step == steps:
        losses = " ".join(f"{name} {value:.3f}" for name, value in terms.items())
        print(f"{stage} {step}/{steps} {losses}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol", choices=PROTOCOLS)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--method", choices=("dann", "source-only"), default="dann")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    protocol = PROTOCOLS[chosen.protocol]
    try:
        accuracy = run(protocol, chosen.data, chosen.method, chosen.steps, chosen.seed)
    except InputError as error:
        sys.exit(f"error: {error}")
    print(f"{chosen.protocol}, {chosen.method}, seed {chosen.seed}, {chosen.steps} steps; {describe()}")
    print(
        f"accuracy {accuracy:.4f} on the target's test part; the paper reports {protocol.reported[chosen.method]:.4f}"
    )


if __name__ == "__main__":
    main()
