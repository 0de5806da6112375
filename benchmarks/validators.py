"""What label-free scores are worth: every validator, aggregate and estimate, held against real *dev* labels.

Trains many small candidates (see candidates.py), or finds them in --cache, and prints for each protocol

- for every validator the rank correlation of its scores with those by real labels, over all candidates and over the
  last ones of each training, and the regret: how much worse the candidate that it chooses is than the best one;
- for every aggregate how much better than the best candidate it is (a negative regret);
- for every estimate its mean absolute error, the share of candidates whose real score lies in its interval, and for
  the bound the share whose real score lies above it.

    python benchmarks/validators.py --cache cache [--protocols demo angles] [--steps 160] [--seeds 2] [--images 1500]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from candidates import PROTOCOLS, Amount, Kept, Protocol, candidates
from machine import describe
from scipy.stats import spearmanr
from torch import Tensor

from synth2real.adapt import METHODS as ADAPT
from synth2real.aggregate import METHODS as AGGREGATES
from synth2real.comparison import some
from synth2real.errors import InputError
from synth2real.estimates import CLASSES, VALUES, disagreement_bound, fit_of_line
from synth2real.model import mix
from synth2real.tasks import Classification
from synth2real.validators import Pool, apart, labels_of, serving


def real_scores(kept: list[Kept], pool: Pool, protocol: Protocol) -> Tensor:
    """Score of each candidate by real labels, higher is better, (M,) float64."""
    return torch.tensor([one.real(protocol, pool.task) for one in kept], dtype=torch.float64)


def correlation(scores: list[float], real: Tensor) -> float:
    """Spearman's, 0 where all scores are equal."""
    return float(spearmanr(scores, real.tolist()).statistic) if len(set(scores)) > 1 else 0.0


def chosen(scores: list[float], pool: Pool) -> int:
    """The best by its score; ties by the source, as a comparison breaks them."""
    source = serving(pool.task)["source"](pool)
    return max(range(len(scores)), key=lambda i: (scores[i], source[i]))


def validators(pool: Pool, kept: list[Kept], real: Tensor) -> None:
    """The table of the validators."""
    last = [i for i, one in enumerate(kept) if one.step == max(k.step for k in kept)]
    ends = Pool([pool.candidates[i] for i in last], pool.task, pool.labels)
    best, mean, ended = (float(value) for value in (real.max(), real.mean(), real[last].max()))
    print(f"  {len(kept)} candidates: best {best:.4f}, mean {mean:.4f}; {len(last)} last: best {ended:.4f}")
    print(f"  {'validator':16} rank correlation   regret      last alone: rank correlation   regret")
    for name, validator in serving(pool.task).items():
        try:
            every, late = validator(pool), validator(ends)
        except InputError as error:
            print(f"  {name:16} {error}")
            continue
        regrets = best - float(real[chosen(every, pool)]), ended - float(real[last][chosen(late, ends)])
        print(
            f"  {name:16} {correlation(every, real):+.3f}             {regrets[0]:.4f}"
            f"                  {correlation(late, real[last]):+.3f}             {regrets[1]:.4f}"
        )


def aggregates(pool: Pool, kept: list[Kept], protocol: Protocol, real: Tensor) -> None:
    """The score of each aggregate beside that of the best candidate, of all and of the last."""
    said = torch.stack([one.dev for one in kept])
    last = [i for i, one in enumerate(kept) if one.step == max(k.step for k in kept)]
    print(f"  {'aggregate':16} real score   regret      last alone: real score   regret")
    for name, method in AGGREGATES.items():
        row = ""
        for part in (list(range(len(kept))), last):
            some_pool = Pool([pool.candidates[i] for i in part], pool.task, pool.labels)
            together = Kept(kept[0].candidate, 0, mix(said[part], pool.task, method(some_pool)))
            score = together.real(protocol, pool.task)
            row += f" {score:.4f}       {float(real[part].max()) - score:+.4f}                 "
        print(f"  {name:16}{row}")


def estimates(pool: Pool, kept: list[Kept], protocol: Protocol, seen: int) -> None:
    """Error and coverage of each estimate, over at most `seen` candidates."""
    classes = isinstance(pool.task, Classification)
    labels = labels_of(some(protocol.dev, len(kept[0].dev)), pool.task)
    each = torch.linspace(0, len(kept) - 1, min(len(kept), seen)).long().tolist()
    error = {i: float(apart(pool.task, pool.task.predict(kept[i].dev), labels).nanmean()) for i in each}
    real = {i: 1 - value if classes else value for i, value in error.items()}
    source = serving(pool.task)["source"](pool)
    plain = sum(abs((source[i] if classes else -source[i]) - real[i]) for i in each) / len(each)
    print(f"  {'estimate':16} mean absolute error   covered    ({len(each)} candidates)")
    print(f"  {'source itself':16} {plain:.4f}")
    for name, method in (CLASSES if classes else VALUES).items():
        found = {i: method(pool, i) for i in each}
        off = sum(abs(found[i].value - real[i]) for i in each) / len(each)
        covered = sum(found[i].low <= real[i] <= found[i].high for i in each) / len(each)
        fit = f"    R² of the line {fit_of_line(pool):.2f}" if name == "line" else ""
        print(f"  {name:16} {off:.4f}                {covered:.2f}{fit}")
    if classes:
        bounds = {i: disagreement_bound(pool, i) for i in each}
        holds = sum(bounds[i] <= real[i] for i in each) / len(each)
        below = sum(real[i] - bounds[i] for i in each) / len(each)
        print(f"  {'bound (Dis²)':16} {below:.4f} below        {holds:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder that holds, or will hold, the candidates")
    parser.add_argument("--protocols", nargs="+", choices=list(PROTOCOLS), default=list(PROTOCOLS))
    parser.add_argument("--methods", nargs="+", choices=list(ADAPT), default=["source-only", "dann", "teacher"])
    for name, value in vars(Amount()).items():
        parser.add_argument(f"--{name}", type=int, default=value, help="see candidates.Amount")
    parser.add_argument("--estimated", type=int, default=20, help="most candidates that estimates are made for")
    arguments = parser.parse_args()
    amount = Amount(**{name: getattr(arguments, name) for name in vars(Amount())})
    for name in arguments.protocols:
        protocol = PROTOCOLS[name]()
        pool, kept = candidates(protocol, arguments.methods, amount, arguments.cache)
        real = real_scores(kept, pool, protocol)
        print(f"{name}, dev labels, {amount}; {describe()}")
        validators(pool, kept, real)
        aggregates(pool, kept, protocol, real)
        estimates(pool, kept, protocol, arguments.estimated)


if __name__ == "__main__":
    main()
