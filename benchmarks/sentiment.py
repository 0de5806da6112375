"""Sentiment of reviews between three kinds of goods: the columns of Table 1 of the DANN paper, and mSDA by default.

Columns: `dann`, `nn`, `svm` on counts of words; `msda-dann`, `msda-nn`, `msda-svm` on the paper's mSDA representation
(five layers, noise 0.5); `msda` with this library's defaults. The weight and width of DANN are the paper's choice by
reverse validation with --search, else fixed. `--score` reads the score labels and appends to benchmarks/scores.jsonl.

    python benchmarks/sentiment.py [--score] [--seeds 5] [--columns svm msda] [--pairs books:dvd ...] [--steps N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import numpy as np
import scipy.sparse
import torch
from machine import describe
from protocols import Protocol, data_folder, keep

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
    """Counts of words and the sentiment of one part, such as `books_train`."""
    with np.load(data_folder() / "amazon_reviews.npz") as arrays:
        data, indices, indptr, labels = (arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr", "labels"))
    counts = scipy.sparse.csr_array((data.astype(np.float32), indices, indptr), shape=(len(labels), WORDS))
    return Labelled(Sparse(counts), torch.from_numpy(labels.astype(np.int64)), ("negative", "positive"))


def sentiment(pair: str) -> Protocol:
    """From one kind of goods to another, such as `books:dvd`."""
    first, second = pair.split(":")
    theirs = reviews(f"{second}_train")
    dev = theirs.subset(torch.arange(DEV))
    return Protocol(pair, reviews(f"{first}_train"), theirs.unlabelled(), dev, reviews(f"{second}_test"))


def neural(kind: type[Objective], weight: float = 0.1, network: str = "shallow-100") -> Objective:
    """The paper's shallow network, with its domain critic or without."""
    if kind is DANN:
        return DANN(preset="paper", weight=weight, network=network)
    shared = {name: value for name, value in SHALLOW.items() if name not in ("critic", "network")}
    return SourceOnly(**shared, network=network, optimize="sgd", weight_decay=0.0)


def represented(given: Protocol) -> Protocol:
    """The same reviews on the paper's mSDA representation, learnt once from source and target for all heads."""
    assert isinstance(given.source, Labelled)
    mapping = MSDA(noise=0.5)
    source, target = mapping.fit_transform(given.source, given.target, Loop(steps=1))

    def of(part: Labelled) -> Labelled:
        return replace(part, inputs=mapping.transform(to_float(part.inputs[torch.arange(len(part))])))

    return replace(given, source=source, target=target, dev=of(given.dev), score=of(given.score))


def objective(column: str, source: Labelled, target: Unlabelled, budget: Budget, search: bool) -> Route:
    """The route of a column; with `search` DANN's settings by reverse validation over the paper's grid."""
    fixed: dict[str, Objective | MSDA] = {"msda": MSDA(), "svm": SVM(), "nn": neural(SourceOnly), "dann": neural(DANN)}
    head = column.removeprefix("msda-")
    if head != "dann" or not search:
        return Route(adapt=fixed[head])
    grid = [Route(adapt=neural(DANN, weight, f"shallow-{n}")) for weight in SHALLOW_WEIGHTS for n in (50, 100)]
    return choose(grid, source, target, budget)[0]


def run(pair: str, column: str, arguments: argparse.Namespace) -> list[float]:
    """Accuracy with each seed; of a column in which nothing is random once."""
    protocol = represented(sentiment(pair)) if column.startswith("msda-") else sentiment(pair)
    source, target, test = protocol.source, protocol.target, protocol.score if arguments.score else protocol.dev
    assert isinstance(source, Labelled)
    seeds = 1 if column in ("svm", "msda-svm", "msda") else arguments.seeds
    route = objective(column, source, target, Budget(steps=arguments.steps), arguments.search)
    models = (route.run(source, target, budget=Budget(steps=arguments.steps, seed=seed)).model for seed in range(seeds))
    return [float(model.evaluate(test)["accuracy"]) for model in models]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--score", action="store_true", help="read the score labels, and keep the result")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, default=list(COLUMNS))
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=PAIRS)
    parser.add_argument("--steps", type=int, help="of the networks; the library's default otherwise")
    parser.add_argument("--search", action="store_true", help="DANN's settings by reverse validation")
    arguments = parser.parse_args()
    part = "score" if arguments.score else "dev"
    print(f"sentiment, {part} labels, {arguments.seeds} seeds; {describe('scikit-learn')}", flush=True)
    for column in arguments.columns:
        print_column(column, arguments, part)


def print_column(column: str, arguments: argparse.Namespace, part: str) -> None:
    """Each pair's accuracy beside the paper's, then their means; with score labels a line in scores.jsonl."""
    cells: dict[str, list[float]] = {}
    start = time.process_time()
    for pair in arguments.pairs:
        cells[pair] = run(pair, column, arguments)
        print(f"{column:10} {pair:18} {statistics.mean(cells[pair]):.3f}{beside(pair, column)}", flush=True)
    mean = statistics.mean(map(statistics.mean, cells.values()))
    seconds = time.process_time() - start
    print(f"{column:10} {'mean':18} {mean:.4f}   {seconds:.0f} s of processor", flush=True)
    if part == "score":
        settings = {"steps": arguments.steps, "search": arguments.search, "seconds": seconds}
        keep({"protocol": "sentiment", "name": column, "mean": mean, "accuracy": cells, **settings})


def beside(pair: str, column: str) -> str:
    """The paper's figure, where it has one."""
    return f"   paper {PAPER[pair][COLUMNS.index(column)]:.3f}" if column != "msda" else ""


if __name__ == "__main__":
    main()
