"""Evaluates label-free scores: every validator, aggregate and estimate is compared with real *dev* labels.

Many small candidates are trained (see candidates.py) or read from --cache. For each protocol the output has:

- For every validator, the rank correlation of its scores with the real scores, over all candidates and over the last
  candidate of each training. Also its regret: the real score of the best candidate minus that of the candidate that
  the validator selects. The regret is given for all candidates, and as a mean over random pools of 8.
- For the decision of a comparison, in random sets of three to six candidates, one of which is the baseline
  (source only with full randomization): the regret, how often it is above --margin, and the gain over the baseline.
  Once more for sets in which the probabilities of one candidate for the target are raised to the sixth power.
- For every aggregate, its real score and its regret. A negative regret means that it is better than the best candidate.
- For every estimate, its mean absolute error, and the share of candidates with the real score in its interval. For the
  bound, the share of candidates with a real score above it. These figures are given for the pool of all candidates,
  and for the last candidates of one seed, which is about the pool of a comparison.

    python -m benchmarks.quality.selection.validators --cache cache [--protocols demo angles] [--steps 160]
        [--seeds 2] [--images 1500]
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from scipy.stats import spearmanr
from torch import Tensor

from benchmarks.lib.machine import describe
from benchmarks.quality.selection.candidates import PROTOCOLS, Amount, Kept, Protocol, candidates
from synth2real.adapt import METHODS as ADAPT
from synth2real.comparison.comparison import some
from synth2real.errors import InputError
from synth2real.select.aggregate import METHODS as AGGREGATES
from synth2real.select.decision import refusal
from synth2real.select.estimates import CLASSES, VALUES, NoEstimate, disagreement_bound, estimate, fit_of_line
from synth2real.select.guards import astray, constant
from synth2real.select.validators import (
    CandidateOutputs,
    Pool,
    apart,
    has_learnt,
    labels_of,
    sample_scores,
    serving,
)
from synth2real.tasks import Classification
from synth2real.training.ensemble import mix

RELATIVE = (
    "ensv",
    "ensv-expected",
    "ensv-weighted",
    "mixval",
    "combined",
)  # scores that depend on the other candidates of the pool
POWER = 6  # of the probabilities of an over-confident candidate
SETS, BASELINE = 300, "source-only-full"  # random sets for the decision, and the name of its baselines
POOLS, OF = 150, 8  # number of random pools, and of candidates in each, about as many as in a comparison


def real_scores(kept: list[Kept], pool: Pool, protocol: Protocol) -> Tensor:
    """Score (M,) float64 of each candidate on real labels. Higher is better."""
    return torch.tensor([one.real(protocol, pool.task) for one in kept], dtype=torch.float64)


def correlation(scores: list[float], real: Tensor) -> float:
    """Spearman correlation; 0 if all scores are equal."""
    return float(spearmanr(scores, real.tolist()).statistic) if len(set(scores)) > 1 else 0.0


def chosen(scores: list[float], source: list[float]) -> int:
    """Index of the best score. The source score breaks ties, as in a comparison."""
    return max(range(len(scores)), key=lambda i: (scores[i], source[i]))


class Judge:
    """Scores of every validator, for a pool and for parts of it.

    Most scores depend on one candidate only and are computed once. The `RELATIVE` scores are computed for each part.
    """

    def __init__(self, pool: Pool, real: Tensor) -> None:
        self.pool, self.real = pool, real
        self.own: dict[str, list[float]] = {}
        self.refused: dict[str, str] = {}
        for name, validator in serving(pool.task).items():
            try:
                self.own[name] = validator(pool)
            except InputError as error:
                self.refused[name] = str(error)

    def scores(self, name: str, part: list[int]) -> list[float]:
        """Scores of the candidates with the indices `part`."""
        if name in RELATIVE:
            return serving(self.pool.task)[name](part_of(self.pool, part))
        return [self.own[name][i] for i in part]

    def regret(self, name: str, part: list[int]) -> float:
        """Real score of the best candidate of `part` minus that of the selected candidate."""
        best = chosen(self.scores(name, part), [self.own["source"][i] for i in part])
        return float(self.real[part].max() - self.real[part[best]])


def part_of(pool: Pool, part: list[int]) -> Pool:
    """The pool of the candidates with the indices `part`."""
    return Pool([pool.candidates[i] for i in part], pool.task, pool.labels, pool.prior)


def pools(among: list[int]) -> list[list[int]]:
    """Random pools of `OF` candidates."""
    generator = torch.Generator().manual_seed(0)
    order = torch.tensor(among)
    return [order[torch.randperm(len(order), generator=generator)[:OF]].tolist() for _ in range(POOLS)]


def validators(pool: Pool, last: list[int], real: Tensor) -> None:
    """Print the table of the validators."""
    judge, every = Judge(pool, real), list(range(len(real)))
    parts = [("all", every, pools(every)), ("last", last, pools(last))]
    for what, among, sampled in parts:
        best, mean = float(real[among].max()), float(real[among].mean())
        chance = sum(float(real[one].max() - real[one].mean()) for one in sampled) / len(sampled)
        print(
            f"  {what}: {len(among)} candidates, best {best:.4f}, mean {mean:.4f}; "
            f"random choice in pools of {OF}: regret {chance:.4f}"
        )
    print(f"  {'':16} all: correlation   regret   in pools    last: correlation   regret   in pools")
    for name in serving(pool.task):
        if name in judge.refused:
            print(f"  {name:16} {judge.refused[name]}")
            continue
        row = f"  {name:16}"
        for _, among, sampled in parts:
            rank, mean = correlation(judge.scores(name, among), real[among]), mean_of(judge, name, sampled)
            row += f"      {rank:+.3f}        {judge.regret(name, among):.4f}   {mean:.4f}     "
        print(row)


def decisions(pool: Pool, kept: list[Kept], among: list[int], real: Tensor, margin: float, power: int = 1) -> None:
    """Print what the choice against a baseline gains and misses, in `SETS` random sets of candidates.

    With a power above 1, one candidate of each set is over-confident on the target: its probabilities are raised to it.
    """
    baselines = [i for i in among if kept[i].candidate.name.startswith(BASELINE)]
    outputs = [
        CandidateOutputs(target, held_out, one.moved)
        for target, held_out, one in zip(pool.target, pool.source, pool.candidates, strict=True)
    ]
    generator, found = torch.Generator().manual_seed(0), []
    for _ in range(SETS):
        count = int(torch.randint(3, 7, (1,), generator=generator))
        base = baselines[int(torch.randint(len(baselines), (1,), generator=generator))]
        order = torch.tensor(among)[torch.randperm(len(among), generator=generator)].tolist()
        part = [base, *[i for i in order if i != base][: count - 1]]
        given = [outputs[i] for i in part]
        if power > 1:
            sharp = given[1].target.double().clamp(min=1e-9) ** power
            given[1] = replace(given[1], target=(sharp / sharp.sum(1, keepdim=True)).float())
        taken = part[decided(given, pool)]
        found.append((float(real[part].max() - real[taken]), float(real[taken] - real[base])))
    regret, gain = torch.tensor(found, dtype=torch.float64).T
    kind = ", one over-confident" if power > 1 else ""
    print(
        f"  decision, {len(among)} candidates{kind}: regret {float(regret.mean()):.4f}, above {margin:g} in "
        f"{float((regret > margin).double().mean()):.2f} of the sets; gain over the baseline "
        f"{float(gain.mean()):+.4f} in the mean, {float(gain.min()):+.4f} in the worst"
    )


def decided(outputs: list[CandidateOutputs], pool: Pool) -> int:
    """Index of the candidate that a comparison chooses; the first one is the baseline."""
    scores = sample_scores(outputs, pool.task, pool.labels)
    if scores is None:
        return 0
    learnt = has_learnt([one.held_out for one in outputs], pool.labels, pool.task)
    fit = [i for i in range(len(outputs)) if learnt[i] and constant(outputs[i], pool.task) is None]
    for i in sorted(fit, key=lambda i: -float(scores[i].mean())):
        others = [outputs[k].target for k in fit if k != i]
        if i == 0:
            break
        if astray(outputs[i], pool.task):
            continue
        if refusal(scores[i], scores[0], outputs[i].target, others, pool.task) is None:
            return i
    return 0


def mean_of(judge: Judge, name: str, parts: list[list[int]]) -> float:
    """Mean regret over parts of the pool."""
    return sum(judge.regret(name, part) for part in parts) / len(parts)


def aggregates(pool: Pool, kept: list[Kept], protocol: Protocol, last: list[int], real: Tensor) -> None:
    """Print the real score and the regret of each aggregate, for all candidates and for the last ones."""
    outputs = torch.stack([one.dev for one in kept])
    print(f"  {'aggregate':16} real score   regret      last only: real score   regret")
    for name, method in AGGREGATES.items():
        row = ""
        for part in (list(range(len(kept))), last):
            together = Kept(kept[0].candidate, 0, mix(outputs[part], pool.task, method(part_of(pool, part))))
            score = together.real(protocol, pool.task)
            row += f" {score:.4f}       {float(real[part].max()) - score:+.4f}                 "
        print(f"  {name:16}{row}")


def estimates(pool: Pool, kept: list[Kept], protocol: Protocol, seen: int, last: list[int]) -> None:
    """Print error and coverage of each estimate: for `seen` of all candidates, and for the last ones of one seed."""
    of_seed: dict[int, list[int]] = {}
    for i in last:
        of_seed.setdefault(kept[i].candidate.seed, []).append(i)
    each = torch.linspace(0, len(kept) - 1, min(len(kept), seen)).long().tolist()
    every = list(range(len(kept)))
    estimated("all", [(every, each)], pool, kept, protocol)
    estimated("last of one seed", [(part, part) for part in of_seed.values()], pool, kept, protocol)


def estimated(
    what: str, parts: list[tuple[list[int], list[int]]], pool: Pool, kept: list[Kept], protocol: Protocol
) -> None:
    """Print the table of the estimates.

    Args:
        what: name of the pools, for the first line.
        parts: for each pool its candidates, and those of them that are estimated.
        pool, kept: all candidates.
        protocol: has the real labels.
    """
    classes = isinstance(pool.task, Classification)
    labels = labels_of(some(protocol.dev, len(kept[0].dev)), pool.task)
    cases = [(part_of(pool, part), part.index(i), i) for part, each in parts for i in each]
    error = {i: float(apart(pool.task, pool.task.predict(kept[i].dev), labels).nanmean()) for *_, i in cases}
    real = {i: 1 - value if classes else value for i, value in error.items()}
    source = serving(pool.task)["source"](pool)
    plain = sum(abs((source[i] if classes else -source[i]) - real[i]) for i in real) / len(real)
    print(f"  {what:16} mean absolute error   covered   high over low   ({len(real)} candidates)")
    print(f"  {'source score':16} {plain:.4f}")
    for name in CLASSES if classes else VALUES:
        found = {}
        for among, index, i in cases:
            with suppress(NoEstimate):
                found[i] = estimate(name, among, index)
        if not found:
            print(f"  {name:16} no estimate")
            continue
        off = sum(abs(one.value - real[i]) for i, one in found.items()) / len(found)
        covered = sum(one.low <= real[i] <= one.high for i, one in found.items()) / len(found)
        wide = median(one.high / max(one.low, 1e-9) for one in found.values())
        fit = f"    R² of the line {fit_of_line(pool):.2f}" if name == "agreement-on-the-line" else ""
        none = f"    {len(real) - len(found)} without an estimate" if len(found) < len(real) else ""
        print(f"  {name:16} {off:.4f}                {covered:.2f}      {wide:.1f}{fit}{none}")
    if classes:
        bounds = {i: disagreement_bound(among, index) for among, index, i in cases}
        holds = sum(bounds[i] <= real[i] for i in real) / len(real)
        below = sum(real[i] - bounds[i] for i in real) / len(real)
        print(f"  {'bound (Dis²)':16} {below:.4f} below          {holds:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder of the stored candidates; created if missing")
    parser.add_argument("--protocols", nargs="+", choices=list(PROTOCOLS), default=list(PROTOCOLS))
    parser.add_argument("--methods", nargs="+", choices=list(ADAPT), default=["source-only", "dann", "teacher"])
    for name, value in vars(Amount()).items():
        parser.add_argument(f"--{name}", type=int, default=value, help="see candidates.Amount")
    parser.add_argument("--estimated", type=int, default=20, help="largest number of candidates that are estimated")
    parser.add_argument("--margin", type=float, default=0.02, help="regret of a decision that is counted")
    arguments = parser.parse_args()
    amount = Amount(**{name: getattr(arguments, name) for name in vars(Amount())})
    for name in arguments.protocols:
        protocol = PROTOCOLS[name]()
        pool, kept = candidates(protocol, arguments.methods, amount, arguments.cache)
        real = real_scores(kept, pool, protocol)
        print(f"{name}, dev labels, {amount}; {describe()}")
        last = [i for i, one in enumerate(kept) if one.step == amount.at()[-1]]
        validators(pool, last, real)
        for among in (list(range(len(kept))), last):
            decisions(pool, kept, among, real, arguments.margin)
            if isinstance(pool.task, Classification):
                decisions(pool, kept, among, real, arguments.margin, POWER)
        aggregates(pool, kept, protocol, last, real)
        estimates(pool, kept, protocol, arguments.estimated, last)


if __name__ == "__main__":
    main()
