"""Speed of mSDA: this library's solver and the authors' plain solution, with the accuracy of both.

The plain solution is in float64. For each layer it solves the whole (F + 1) x (F + 1) system and applies the solution
to all samples. Both use the same 4,000 reviews of two kinds of goods (5,000 words, five layers). The same classifier
(`SelfTraining`) is trained on both representations; its accuracy is on the dev labels. Times are processor times. In
each round both are measured.

    python -m benchmarks.speed.msda [--rounds 1] [--layers 5] [--pair books:electronics] [--threads 1]
"""

from __future__ import annotations

import argparse
import resource
import time
from dataclasses import replace

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from benchmarks.lib.machine import describe
from benchmarks.quality.protocols.sentiment import DEV, PAIRS, reviews
from synth2real import Labelled, Route
from synth2real.adapt import MSDA, SelfTraining
from synth2real.data.domains import to_float
from synth2real.training.loop import Loop

APART = 0.003  # largest allowed difference of the accuracies


def plain(x: np.ndarray, noise: float, layers: int, ridge: float = 1e-5) -> Tensor:
    """The authors' mSDA in float64: input (N, F), output (N, (1 + layers) F), the input and all layers."""
    found = [x.T.astype(np.float64)]
    for _ in range(layers):
        bordered = np.vstack([found[-1], np.ones((1, len(x)))])
        scatter = bordered @ bordered.T
        keep = np.full(len(bordered), 1 - noise)
        keep[-1] = 1
        system = scatter * np.outer(keep, keep)
        np.fill_diagonal(system, keep * np.diag(scatter))
        system[np.diag_indices(len(x[0]))] += ridge
        weights = np.linalg.solve(system, (scatter[:-1] * keep).T).T
        found.append(np.tanh(weights @ bordered))
    return torch.from_numpy(np.vstack(found).T.astype(np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--layers", type=int, default=MSDA.layers)
    parser.add_argument("--pair", choices=PAIRS, default="books:electronics")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    first, second = arguments.pair.split(":")
    source, truth = reviews(f"{first}_train"), reviews(f"{second}_train")
    target, mapping = truth.unlabelled(), MSDA(layers=arguments.layers)
    both = [to_float(z.inputs[torch.arange(len(z))]) for z in (source, truth)]
    counts = (torch.cat(both) > 0).numpy()  # 0 or 1, as in the library
    print(f"mSDA of {len(counts)} x {counts.shape[1]}, {arguments.layers} layers; {describe('numpy', 'scipy')}")
    for _ in range(arguments.rounds):
        with threadpool_limits(arguments.threads):
            start = time.process_time()
            ours = mapping.fit_transform(source, target, Loop(steps=1))
            middle = time.process_time()
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            accuracy = score(ours[0], Labelled(ours[1].inputs, truth.labels, truth.classes))
            del ours
            begin = time.process_time()
            theirs = plain(counts, mapping.noise, arguments.layers)
            end = time.process_time()
        reference = score(replace(source, inputs=theirs[: len(source)]), replace(truth, inputs=theirs[len(source) :]))
        print(
            f"ours {middle - start:.1f} s, accuracy {accuracy:.3f}, peak {memory:.2f} GB; plain {end - begin:.1f} s, "
            f"accuracy {reference:.3f}; {(end - begin) / (middle - start):.2f} times as fast",
            flush=True,
        )
        assert abs(accuracy - reference) <= APART, f"the accuracies differ by more than {APART}"


def score(source: Labelled, truth: Labelled) -> float:
    """Accuracy on the dev labels of a classifier adapted to the target's unlabelled features."""
    model = Route(adapt=SelfTraining()).run(source, truth.unlabelled()).model
    return float(model.evaluate(truth.subset(torch.arange(DEV)))["accuracy"])


if __name__ == "__main__":
    main()
