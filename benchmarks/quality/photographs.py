"""Photographs with a pretrained network: the route chosen by `compare`, beside logistic regression on frozen features.

`office`: the six ordered pairs of three domains of Office-Caltech, 128 by 128. `engineer`: 300 renders of three parts
and 200 photographs of 640 by 480 and 1280 by 720, 224 by 224. They are drawn by a script with a function
`engineer(folder)`, which SYNTH2REAL_GAPS names (../shared/strangers.py beside the repository without it). The labels of
the photographs never reach a training or the choice. Those of office are the dev part, or the score part with --score.

The columns are the accuracy of logistic regression on frozen features of the source, of the chosen route, of the
baseline (source only with the same randomization and network), and the estimate with its interval.

    python -m benchmarks.quality.photographs office [--score] [--minutes 5] [--seed 0] [--pairs amazon:webcam]
    python -m benchmarks.quality.photographs engineer [--minutes 10] [--seed 0]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy as np

from benchmarks.lib.machine import describe
from benchmarks.lib.protocols import data_folder, keep
from benchmarks.quality.strangers import drawing
from synth2real import Labelled, Route, Unlabelled, compare, load, load_unlabelled
from synth2real.adapt import SPL
from synth2real.comparison.named_routes import chosen_routes, with_network
from synth2real.measure.ratios import usual_resize
from synth2real.route.run import Budget
from synth2real.tasks import Classification

NETWORK = "efficientnet-lite0"
DOMAINS = ("amazon", "caltech10", "webcam")
DEV = 100  # photographs of each domain in the dev part


def office(folder: Path) -> None:
    """Write each domain below `folder`: `NAME/all`, and the classes of `NAME/dev` and `NAME/score`."""
    with np.load(data_folder() / "office_caltech10.npz") as arrays:
        classes = [str(name) for name in arrays["classes"]]
        for name in DOMAINS:
            packed, offsets, labels = (arrays[f"{name}_{part}"] for part in ("jpeg", "offset", "labels"))
            dev = set(np.random.default_rng(0).permutation(len(labels))[:DEV].tolist())
            for i, label in enumerate(labels):
                part = "dev" if i in dev else "score"
                for place in (f"{name}/all/{classes[label]}", f"{name}/{part}/{classes[label]}"):
                    (folder / place).mkdir(parents=True, exist_ok=True)
                    (folder / place / f"{i:05d}.jpg").write_bytes(packed[offsets[i] : offsets[i + 1]].tobytes())


def logistic_regression(source: Labelled, target: Unlabelled, test: Labelled) -> float:
    """Accuracy of logistic regression on the frozen features of the source, as they are."""
    from sklearn.linear_model import LogisticRegression

    model = Route(adapt=SPL(network=NETWORK, rounds=0, centred=False)).run(source, target).model
    x, t = (model.extract(part.inputs).numpy() for part in (source, test))
    machine = LogisticRegression(max_iter=1000).fit(x, source.labels.numpy())
    return float(machine.score(t, Classification.of(source).align(test).numpy()))


def compared(name: str, source: Labelled, target: Unlabelled, test: Labelled, args: argparse.Namespace) -> list[float]:
    """One comparison: a line of the table, and the accuracies of logistic regression and of the chosen route."""
    began = time.perf_counter()
    task = Classification.of(source)
    routes = with_network(chosen_routes(None, task, source, target, frozen=True), {"network": NETWORK})
    plain = logistic_regression(source, target, test)
    made = compare(
        routes,
        source,
        target,
        test=test,
        task=task,
        budget=Budget(seed=args.seed),
        seeds=(args.seed,),
        minutes=args.minutes,
    )
    rows = {row["name"]: row for row in made.ranking()}
    chosen, baseline = rows[made.chosen.name], rows[made.baseline]
    seconds = time.perf_counter() - began
    low, high = chosen["interval"] or (float("nan"), float("nan"))
    print(
        f"{name:22} {plain:10.3f} {chosen['test_score']:10.3f} {baseline['test_score']:10.3f} "
        f"{chosen['estimate'] or float('nan'):9.3f} ({low:.3f} to {high:.3f}) {chosen['name']:12} {seconds:6.0f}",
        flush=True,
    )
    if args.score:
        scores = {name: row["test_score"] for name, row in rows.items()}
        keep(
            {
                "protocol": "photographs",
                "name": name,
                "chosen": made.chosen.name,
                "baseline": made.baseline,
                "logistic_regression": plain,
                "scores": scores,
                "estimate": chosen["estimate"],
                "interval": chosen["interval"],
                "minutes": args.minutes,
                "seed": args.seed,
                "seconds": seconds,
            }
        )
    return [plain, chosen["test_score"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol", choices=("office", "engineer"))
    parser.add_argument("--score", action="store_true", help="use the score part, and store the results")
    parser.add_argument("--minutes", type=float, default=5.0, help="of each comparison")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", nargs="+", default=None, metavar="SOURCE:TARGET", help="all six by default")
    args = parser.parse_args()
    print(f"{args.protocol}, {args.minutes:g} minutes each, seed {args.seed}; {describe()}")
    print(f"{'source to target':22} {'regression':>10} {'chosen':>10} {'baseline':>10} {'estimate':>9}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if args.protocol == "engineer":
            drawing().engineer(folder)
            compared("engineer", *read(folder / "source", folder / "target", folder / "test", 224), args)
            return
        office(folder)
        pairs = args.pairs or [f"{a}:{b}" for a in DOMAINS for b in DOMAINS if a != b]
        found = []
        for pair in pairs:
            a, b = pair.split(":")
            test = folder / b / ("score" if args.score else "dev")
            found.append(compared(f"{a} to {b}", *read(folder / a / "all", folder / b / "all", test, 128), args))
        plain, chosen = (mean(values) for values in zip(*found, strict=True))
        print(f"{'mean':22} {plain:10.3f} {chosen:10.3f}")


def read(source: Path, target: Path, test: Path, side: int) -> tuple[Labelled, Unlabelled, Labelled]:
    """Three folders at `side` by `side`, resized as the command line does it."""
    how = {"size": (side, side), "channels": 3, "resize": usual_resize([source, target])}
    return load(source, **how), load_unlabelled(target, **how), load(test, **how)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
