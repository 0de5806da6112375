"""Sentiment of reviews between three kinds of goods: the columns of Table 1 of the DANN paper, and mSDA with defaults.

The columns `dann`, `nn` and `svm` train on word counts. The columns `msda-dann`, `msda-nn` and `msda-svm` train on the
paper's mSDA representation (five layers, noise 0.5). The column `msda` has this library's defaults. With --search,
reverse validation chooses the weight and the width of DANN, as in the paper; without it both are fixed. With --score,
the score labels are read and the results are appended to benchmarks/results/scores.jsonl.

    python -m benchmarks.quality.protocols.sentiment [--score] [--seeds 5] [--columns svm msda]
        [--pairs books:dvd ...] [--steps N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import numpy as np
import scipy.sparse
import torch

from benchmarks.lib.machine import describe
from benchmarks.lib.protocols import Protocol, data_folder, keep
from synth2real import Budget, Labelled, Route, Unlabelled
from synth2real.adapt import DANN, MSDA, SVM, Objective, SourceOnly
from synth2real.adapt.adversarial.dann import SHALLOW, SHALLOW_WEIGHTS
from synth2real.data.domains import to_float
from synth2real.data.sparse import Sparse
from synth2real.select.reverse_validation import choose
from synth2real.training.loop import Loop

DEV = 500
WORDS = 5000
KINDS = ("books", "dvd", "electronics")
PAIRS = [f"{source}:{target}" for source in KINDS for target in KINDS if source != target]
COLUMNS = ("dann", "nn", "svm", "msda-dann", "msda-nn", "msda-svm", "msda")
PAPER = {
    "books:dvd": (0.784, 0.790, 0.799, 0.829, 0.824, 0.830),
    "books:electronics": (0.733, 0.747, 0.748, 0.804, 0.770, 0.766),
    "dvd:books": (0.723, 0.720, 0.743, 0.825, 0.823, 0.826),
    "dvd:electronics": (0.754, 0.732, 0.748, 0.809, 0.768, 0.739),
    "electronics:books": (0.713, 0.709, 0.705, 0.774, 0.770, 0.762),
    "electronics:dvd": (0.738, 0.733, 0.726, 0.781, 0.759, 0.770),
}


def reviews(name: str) -> Labelled:
    """Word counts and sentiment labels of one part, such as `books_train`."""
    with np.load(data_folder() / "amazon_reviews.npz") as arrays:
        data, indices, indptr, labels = (arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr", "labels"))
    counts = scipy.sparse.csr_array((data.astype(np.float32), indices, indptr), shape=(len(labels), WORDS))
    return Labelled(Sparse(counts), torch.from_numpy(labels.astype(np.int64)), ("negative", "positive"))


def sentiment(pair: str) -> Protocol:
    """From one kind of goods to another, such as `books:dvd`."""
    first, second = pair.split(":")
    labelled = reviews(f"{second}_train")
    dev = labelled.subset(torch.arange(DEV))
    return Protocol(pair, reviews(f"{first}_train"), labelled.unlabelled(), dev, reviews(f"{second}_test"))


def neural(kind: type[Objective], weight: float = 0.1, network: str = "shallow-100") -> Objective:
    """The paper's shallow network, with or without the domain critic."""
    if kind is DANN:
        return DANN(preset="paper", weight=weight, network=network)
    shared = {name: value for name, value in SHALLOW.items() if name not in ("critic", "network")}
    return SourceOnly(**shared, network=network, optimize="sgd", weight_decay=0.0, decay=0.0)


def represented(given: Protocol) -> Protocol:
    """The same reviews on the paper's mSDA representation. It is fitted once, on source and target, for all heads."""
    assert isinstance(given.source, Labelled)
    mapping = MSDA(noise=0.5)
    source, target = mapping.fit_transform(given.source, given.target, Loop(steps=1))

    def of(part: Labelled) -> Labelled:
        return replace(part, inputs=mapping.transform(to_float(part.inputs[torch.arange(len(part))])))

    return replace(given, source=source, target=target, dev=of(given.dev), score=of(given.score))


def objective(column: str, source: Labelled, target: Unlabelled, budget: Budget, search: bool) -> Route:
    """The route of a column. With `search`, reverse validation over the paper's grid chooses the settings of DANN."""
    fixed: dict[str, Objective | MSDA] = {"msda": MSDA(), "svm": SVM(), "nn": neural(SourceOnly), "dann": neural(DANN)}
    head = column.removeprefix("msda-")
    if head != "dann" or not search:
        return Route(adapt=fixed[head])
    grid = [Route(adapt=neural(DANN, weight, f"shallow-{n}")) for weight in SHALLOW_WEIGHTS for n in (50, 100)]
    return choose(grid, source, target, budget)[0]


def run(pair: str, column: str, arguments: argparse.Namespace) -> list[float]:
    """Accuracy with each seed. A column without randomness has one seed."""
    protocol = represented(sentiment(pair)) if column.startswith("msda-") else sentiment(pair)
    source, target, test = protocol.source, protocol.target, protocol.score if arguments.score else protocol.dev
    assert isinstance(source, Labelled)
    seeds = 1 if column in ("svm", "msda-svm", "msda") else arguments.seeds
    route = objective(column, source, target, Budget(steps=arguments.steps), arguments.search)
    models = (route.run(source, target, budget=Budget(steps=arguments.steps, seed=seed)).model for seed in range(seeds))
    return [float(model.evaluate(test)["accuracy"]) for model in models]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--score", action="store_true", help="read the score labels, and store the result")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, default=list(COLUMNS))
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=PAIRS)
    parser.add_argument("--steps", type=int, help="training steps of the networks; by default those of the library")
    parser.add_argument("--search", action="store_true", help="choose the settings of DANN by reverse validation")
    arguments = parser.parse_args()
    part = "score" if arguments.score else "dev"
    print(f"sentiment, {part} labels, {arguments.seeds} seeds; {describe('scikit-learn')}", flush=True)
    for column in arguments.columns:
        print_column(column, arguments, part)


def print_column(column: str, arguments: argparse.Namespace, part: str) -> None:
    """Print the accuracy of each pair beside the paper's accuracy, then the mean.

    With score labels, also append one line to scores.jsonl.
    """
    cells: dict[str, list[float]] = {}
    start = time.process_time()
    for pair in arguments.pairs:
        cells[pair] = run(pair, column, arguments)
        print(f"{column:10} {pair:18} {statistics.mean(cells[pair]):.3f}{beside(pair, column)}", flush=True)
    mean = statistics.mean(map(statistics.mean, cells.values()))
    seconds = time.process_time() - start
    print(f"{column:10} {'mean':18} {mean:.4f}   {seconds:.0f} s of processor time", flush=True)
    if part == "score":
        settings = {"steps": arguments.steps, "search": arguments.search, "seconds": seconds}
        keep({"protocol": "sentiment", "name": column, "mean": mean, "accuracy": cells, **settings})


def beside(pair: str, column: str) -> str:
    """The paper's accuracy as text; empty if the paper has none."""
    return f"   paper {PAPER[pair][COLUMNS.index(column)]:.3f}" if column != "msda" else ""


if __name__ == "__main__":
    main()
