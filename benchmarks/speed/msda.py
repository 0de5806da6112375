"""Speed of mSDA: this library's solver and the authors' plain solution in numpy.

The plain solution is in float64. For each layer it solves the whole (F + 1) x (F + 1) system and applies the solution
to all samples. Both use the same 4,000 reviews of two kinds of goods (5,000 words, five layers), or with --drawn as
many drawn documents, which need no data. Times are processor times. The limit counts operations and bytes of both and
divides them by the measured peak of a matrix product and of copies: no program that computes the same is faster.

    python -m benchmarks.speed.msda [--rounds 5] [--layers 5] [--pair books:electronics] [--drawn] [--threads 1]

With reviews, the same classifier (`SelfTraining`) is trained on both representations; its accuracy is on the dev
labels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from benchmarks.lib.peak import least_seconds
from benchmarks.lib.results import Column, Row, show
from benchmarks.lib.timing import ROUNDS, interleaved, ratios, spread
from benchmarks.quality.protocols.sentiment import DEV, PAIRS, reviews
from synth2real import Labelled, Route, Unlabelled
from synth2real.adapt import MSDA, SelfTraining
from synth2real.data.domains import to_float
from synth2real.training.loop import Loop

APART = 0.003  # largest allowed difference of the accuracies
DIFFERENT = 0.01  # largest allowed mean difference of the outputs, which are in -1..1
Times = dict[str, list[float]]
Outputs = dict[str, tuple[Tensor, Tensor]]
COLUMNS = (
    Column("solver", "solver"),
    Column("seconds", "seconds", whole=True),
    Column("ratio", "plain / ours", whole=True),
    Column("operations", "10^9 operations"),
    Column("moved", "10^9 bytes"),
    Column("least", "seconds at the machine's peak"),
    Column("limit", "plain / ours, at the peak"),
    Column("accuracy", "accuracy"),
)


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


def of_plain(n: int, f: int) -> tuple[float, float]:
    """Operations and bytes of a layer of `plain`: products, the system and its solution in float64."""
    products, solved, applied = n * f**2, 2 / 3 * f**3 + 2 * f**3, 2 * n * f**2
    return products + solved + applied, 8 * (4 * n * f + 8 * f**2)


def of_ours(n: int, f: int) -> tuple[float, float]:
    """Operations and bytes of a layer of `msda_solver` in float32, by samples or by features, whichever are fewer."""
    few, many = min(n, f), max(n, f)
    products, factor = few**2 * many, few**3 / 3
    solved = 2 * few**2 * many if n <= f else factor * 3 + 2 * few**2 * many
    return products + factor + solved, 4 * (12 * n * f + 4 * few**2)


def drawn(documents: int, words: int) -> tuple[Labelled, Labelled]:
    """A source and a target of documents with 70 of so many words each, of which some are frequent."""
    generator = torch.Generator().manual_seed(0)
    often = (1 / torch.arange(1, words + 1)).expand(documents, -1)
    chosen = torch.multinomial(often, min(70, words), generator=generator)
    counts, labels = torch.zeros(documents, words).scatter_(1, chosen, 1.0), torch.arange(documents // 2) % 2
    halves = counts.chunk(2)
    source, target = (Labelled(half, labels, ("negative", "positive")) for half in halves)
    return source, target


def processor_seconds(run: Callable[[], object]) -> Callable[[], float]:
    """A run that returns the processor time that it took."""

    def seconds() -> float:
        start = time.process_time()
        run()
        return time.process_time() - start

    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--layers", type=int, default=MSDA.layers)
    parser.add_argument("--pair", choices=PAIRS, default="books:electronics")
    parser.add_argument("--drawn", action="store_true", help="drawn documents; measures no accuracy")
    parser.add_argument("--documents", type=int, default=4000, help="drawn ones")
    parser.add_argument("--words", type=int, default=5000, help="of drawn documents")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.drawn:
        source, truth = drawn(arguments.documents, arguments.words)
    else:
        source, truth = (reviews(f"{kind}_train") for kind in arguments.pair.split(":"))
    with threadpool_limits(arguments.threads):
        times, outputs, shape = measured(source, truth, arguments.layers, arguments.rounds)
    rows = counted(times, shape, arguments.layers)
    if not arguments.drawn:
        scores = [score(source, truth, *outputs[name]) for name in times]
        assert abs(scores[0] - scores[1]) <= APART, f"the accuracies differ by more than {APART}"
        rows = [{**row, "accuracy": value} for row, value in zip(rows, scores, strict=True)]
    settings = {"samples": shape[0], "words": shape[1], "layers": arguments.layers, "rounds": arguments.rounds}
    data = "drawn" if arguments.drawn else arguments.pair
    show("speed/msda", COLUMNS, rows, {"data": data, **settings}, ["numpy", "scipy"])


def measured(source: Labelled, truth: Labelled, layers: int, rounds: int) -> tuple[Times, Outputs, tuple[int, ...]]:
    """Processor times of both solvers, their outputs for source and target, and the shape of both together."""
    mapping = MSDA(layers=layers)
    both = [to_float(part.inputs[torch.arange(len(part))]) for part in (source, truth)]
    counts = (torch.cat(both) > 0).numpy()  # 0 or 1, as in the library
    outputs: Outputs = {}

    def ours() -> None:
        known, unknown = mapping.fit_transform(source, truth.unlabelled(), Loop(steps=1))
        outputs["synth2real"] = known.inputs, unknown.inputs  # type: ignore[assignment]

    def theirs() -> None:
        found = plain(counts, mapping.noise, layers)
        outputs["plain"] = found[: len(source)], found[len(source) :]

    runs = {"synth2real": processor_seconds(ours), "plain": processor_seconds(theirs)}
    times = interleaved(runs, rounds)
    check(outputs)
    return times, outputs, counts.shape


def counted(times: Times, shape: tuple[int, ...], layers: int) -> list[Row]:
    """A row for each solver, with its limit: operations and bytes, of which the slower decides."""
    found: list[Row] = []
    least: dict[str, float] = {}
    for name, of, dtype in (("synth2real", of_ours, torch.float32), ("plain", of_plain, torch.float64)):
        operations, moved = (layers * each for each in of(shape[0], shape[1]))
        least[name] = least_seconds(operations, moved, dtype)
        row = {"operations": operations / 1e9, "moved": moved / 1e9, "least": least[name]}
        found.append({"solver": name, "seconds": spread(times[name]), **row})
    found[0]["ratio"] = ratios(times["plain"], times["synth2real"])
    found[0]["limit"] = least["plain"] / least["synth2real"]
    return found


def check(outputs: Outputs) -> None:
    """End the program if the solvers have different outputs."""
    ours, theirs = (torch.cat(outputs[name]) for name in ("synth2real", "plain"))
    apart = float((ours - theirs).abs().mean())
    if apart > DIFFERENT:
        raise SystemExit(f"the outputs differ by {apart:.4f} on average, expected at most {DIFFERENT}")


def score(source: Labelled, truth: Labelled, known: Tensor, unknown: Tensor) -> float:
    """Accuracy on the dev labels of a classifier adapted to the target's unlabelled features."""
    found = Labelled(unknown, truth.labels, truth.classes)
    model = Route(adapt=SelfTraining()).run(replace(source, inputs=known), Unlabelled(unknown)).model
    return float(model.evaluate(found.subset(torch.arange(DEV)))["accuracy"])


if __name__ == "__main__":
    main()
