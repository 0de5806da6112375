"""Measures the constants of agreement rates and the coverage of their intervals, on many drawn pools of quick models.

A pool is a drawn gap between two sets of digits (2 to 10 of the classes, balanced or not, 60 to 500 target images) and
three to six classifiers: linear models of pixels and edges, plain, randomized, self-trained and with aligned
statistics; a forest; class centres. The constants at the top of `select/agreement_rates.py` are from the gaps in `SET`
and from networks (MNIST to USPS, `validators.py`). Coverage is stated on the gaps in `UNSEEN`. All labels are *dev*
labels.

    python -m benchmarks.quality.selection.agreements [--pools 200]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from torch import Tensor
from torch.nn import functional as F

from benchmarks.lib.machine import describe
from benchmarks.lib.protocols import images_of, usps_and_mnist
from synth2real.select.agreement_rates import LOOSENED, agreements, known_from_source, pairs, skill_of
from synth2real.select.estimates import NoEstimate, estimate
from synth2real.select.validators import Candidate, Pool
from synth2real.simulate import Digits
from synth2real.tasks import Classification

Images = Tensor  # (N, 14, 14) in 0..1
Votes = tuple[Tensor, Tensor]  # predicted classes of the held-out source and of the target
SIDE, DOMAIN = 14, 1000  # pixels; most images of a domain in each of the parts train, held-out and target
SET = [
    *[("mnist", "usps", ""), ("usps", "mnist", ""), ("mnist", "mnist_m", ""), ("usps", "mnist_m", "")],
    *[("mnist", "mnist", how) for how in ("", "noise", "pale", "covered", "clutter")],
    *[("usps", "usps", how) for how in ("moved", "clutter")],
]
UNSEEN = [
    *[("rendered", "mnist", ""), ("rendered", "usps", ""), ("rendered", "mnist_m", "")],
    *[("mnist_m", "usps", ""), ("mnist_m", "mnist", "")],
]


@dataclass(frozen=True)
class Drawn:
    """A pool, and the real accuracy (M,) of each candidate on its target samples."""

    pool: Pool
    real: Tensor


def domains() -> dict[str, tuple[Images, Tensor]]:
    """Images and class indices of each set of digits."""
    rendered = Digits().labelled(3 * DOMAIN, 0)
    digits, digit_labels, codes, code_labels = usps_and_mnist()
    blended, blended_labels = images_of("mnist_m.npz")
    found = {
        "mnist": (digits, digit_labels),
        "usps": (codes, code_labels),
        "mnist_m": (blended.float().mean(1, keepdim=True), blended_labels),
        "rendered": (rendered.inputs[torch.arange(len(rendered))], rendered.labels),
    }
    return {
        name: (F.interpolate(x.float(), size=(SIDE, SIDE), mode="area")[:, 0] / 255, y)
        for name, (x, y) in found.items()
    }


def changed(x: Images, how: str, random: torch.Generator) -> Images:
    if how == "noise":
        return (x + 0.5 * torch.randn(x.shape, generator=random)).clamp(0, 1)
    if how == "pale":
        return 0.3 + 0.4 * F.avg_pool2d(x, 3, 1, 1)
    if how == "moved":
        return x.roll((2, 2), (1, 2))
    if how == "covered":
        return torch.cat([torch.full_like(x[:, :, :5], 0.5), x[:, :, 5:]], 2)
    if how == "clutter":
        low = torch.rand(len(x), 1, 4, 4, generator=random)
        return x.maximum(0.9 * F.interpolate(low, size=(SIDE, SIDE), mode="bilinear")[:, 0])
    return x


def randomized(x: Images, random: torch.Generator) -> Images:
    """Four copies: three with another contrast, brightness and place, some inverted, with noise."""
    copies = [x]
    for _ in range(3):
        contrast, light, sign = (torch.rand(len(x), 1, 1, generator=random) for _ in range(3))
        y = x * (0.5 + contrast) + 0.4 * (light - 0.5)
        y = torch.where(sign < 0.2, 1 - y, y).roll(torch.randint(-1, 2, (2,), generator=random).tolist(), (1, 2))
        copies.append((y + 0.15 * torch.randn(y.shape, generator=random)).clamp(0, 1))
    return torch.cat(copies)


def pixels(x: Images) -> Tensor:
    return x.flatten(1)


def standardised(x: Images) -> Tensor:
    return ((x - x.mean((1, 2), keepdim=True)) / (x.std((1, 2), keepdim=True) + 1e-3)).flatten(1)


def edges(x: Images) -> Tensor:
    right, down = x[:, 1:-1, 2:] - x[:, 1:-1, :-2], x[:, 2:, 1:-1] - x[:, :-2, 1:-1]
    return F.avg_pool2d(torch.stack([right, -right, down, -down], 1).clamp(min=0), 3).flatten(1)


def linear(x: Tensor, y: Tensor, strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=60).fit(x.numpy(), y.numpy())


def self_trained(model: LogisticRegression, x: Tensor, y: Tensor, target: Tensor) -> LogisticRegression:
    """Three rounds on the more confident three fifths of the target, as predicted."""
    for _ in range(3):
        p = torch.from_numpy(model.predict_proba(target.numpy()))
        sure = p.amax(1) >= p.amax(1).quantile(0.4)
        classes = torch.from_numpy(model.classes_)[p.argmax(1)][sure]
        if len(classes.unique()) > 1:
            model = linear(torch.cat([x, target[sure], target[sure]]), torch.cat([y, classes, classes]), 0.1)
    return model


def votes(x: Images, y: Tensor, held: Images, target: Images, random: torch.Generator) -> list[Votes]:
    """Predicted classes of each classifier for the held-out source and the target."""
    copies, labels = randomized(x, random), y.repeat(4)

    def of(model: Any, view: Callable[[Images], Tensor]) -> Votes:
        on_held, on_target = (torch.from_numpy(model.predict(view(each).numpy())) for each in (held, target))
        return on_held, on_target

    found = [of(linear(view(x), y, 0.1), view) for view in (pixels, standardised, edges)]
    for view in (pixels, edges):
        model = linear(view(copies), labels, 0.05)
        found += [of(model, view), of(self_trained(model, view(x), y, view(target)), view)]
    for model in (NearestCentroid(), RandomForestClassifier(30, random_state=0)):
        found.append(of(model.fit(pixels(x).numpy(), y.numpy()), pixels))
    source, on_held, on_target = (
        (pixels(z) - pixels(by).mean(0)) / (pixels(by).std(0) + 0.05) for z, by in ((x, x), (held, x), (target, target))
    )
    aligned = linear(source, y, 0.02)
    on_both = [torch.from_numpy(aligned.predict(z.numpy())) for z in (on_held, on_target)]
    return [*found, (on_both[0], on_both[1])]


def drawn(gaps: list[tuple[str, str, str]], count: int, seed: int) -> Iterator[Drawn]:
    """Pools of drawn gaps."""
    sets, random, torch_random = domains(), np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    for _ in range(count):
        source, target, how = gaps[random.integers(len(gaps))]
        classes = random.permutation(10)[: random.choice([2, 2, 3, 4, 5, 6, 8, 10])]
        even = np.full(len(classes), 1 / len(classes))
        balance = even if random.random() < 0.7 else random.dirichlet(np.full(len(classes), 3.0))
        sizes = [random.choice(each) for each in ([150, 300, 600, 1000], [60, 100, 200, 400], [60, 100, 200, 500])]

        def some(name: str, part: int, shares: np.ndarray, size: int) -> tuple[Images, Tensor]:
            x, y = sets[name]
            third = len(y) // 3
            own = [np.flatnonzero(y[part * third : (part + 1) * third] == label) + part * third for label in classes]
            index = [random.choice(o, min(len(o), max(1, round(size * s)))) for o, s in zip(own, shares, strict=True)]
            sizes = torch.tensor([len(each) for each in index])
            return x[np.concatenate(index)], torch.arange(len(index)).repeat_interleave(sizes)

        (x, y), (held, labels) = (some(source, part, even, sizes[part]) for part in (0, 1))
        seen, truth = some(target, 2, balance, sizes[2])
        found = votes(x, y, held, changed(seen, how, torch_random), torch_random)
        taken = random.choice(len(found), random.integers(3, 7), replace=False)
        yield Drawn(
            pool_of([found[i] for i in taken], labels, len(classes)),
            torch.stack([(found[i][1] == truth).double().mean() for i in taken]),
        )


def pool_of(found: list[Votes], labels: Tensor, classes: int) -> Pool:
    """A pool from predicted classes alone."""
    none = torch.zeros(1, 1)
    seen = []
    for i, each in enumerate(found):
        source, target = (10.0 * F.one_hot(domain, classes) for domain in each)
        seen.append(Candidate(f"model {i}", 0, source, target, none, none, None, (0.0, 0.0), None))
    return Pool(seen, Classification(tuple(map(str, range(classes)))), labels)


def constants(pools: list[Drawn]) -> None:
    """Print the measured constants; those ending in OFF are divided by 1 + 2 / C."""
    rows = []
    for each in pools:
        pool, classes = each.pool, each.pool.task.outputs
        on_source, on_target = (torch.stack([p.argmax(1) for p in domain]) for domain in (pool.source, pool.target))
        known = known_from_source(on_source, pool.labels, classes, None)
        skill = skill_of(each.real, classes).clamp(max=0.99)
        change = skill.atanh() - known.z
        one, other = pairs(len(skill))
        rest = (1 - skill.square()).sqrt()
        shared = (agreements(on_target, classes).values - skill[one] * skill[other]) / (rest[one] * rest[other])
        left = (1 - shared).clamp(0.02, 1.5).log()  # log(1 - r)
        off = left - (1 + LOOSENED * change.mean()) * known.dependence
        columns = (known.dependence.mean(), left.mean(), change.mean(), change.std(), off.mean(), off.std())
        rows.append([*map(float, columns), 1 + 2 / classes])
    source, left, change, own, mean, pair, wider = torch.tensor(rows, dtype=torch.float64).T
    expected = source * change
    named = {
        "ON_SOURCE": 1 - source.mean().exp(),
        "LOOSENED": (expected * (left - source)).sum() / expected.square().sum(),
        "CHANGE": change.mean(),
        "CHANGE_OFF": ((change - change.mean()) / wider).std(),
        "SKILL_OFF": (own / wider).square().mean().sqrt(),
        "DEPENDENCE_OFF": (mean / wider).square().mean().sqrt(),
        "PAIR_OFF": (pair / wider).square().mean().sqrt(),
    }
    print("  " + "   ".join(f"{name} {float(value):.2f}" for name, value in named.items()))


def coverage(pools: list[Drawn]) -> None:
    """Print error and coverage of the estimate, by number of classes and of candidates."""
    rows: dict[str, list[tuple[float, bool, float]]] = {}
    none = 0
    for each in pools:
        classes, count = each.pool.task.outputs, len(each.real)
        for i, real in enumerate(each.real.tolist()):
            try:
                found = estimate("agreement-rates", each.pool, i)
            except NoEstimate:
                none += 1
                continue
            inside = found.low <= max(real, 1 / classes) <= found.high  # an end at chance means chance or below
            few = "2 classes" if classes == 2 else "3 or 4 classes" if classes < 5 else "5 to 10 classes"
            for name in ("all", few, f"{count} candidates"):
                rows.setdefault(name, []).append((abs(found.value - real), inside, found.high - found.low))
    for name, row in sorted(rows.items()):
        off, inside, width = torch.tensor(row, dtype=torch.float64).T
        print(f"  {name:16} {len(row):5}   off by {off.mean():.3f}", end="")
        print(f"   covered {inside.mean():.3f}   width {width.median():.2f}")
    print(f"  no estimate: {none}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pools", type=int, default=200, help="number of pools of each of the two lists of gaps")
    arguments = parser.parse_args()
    print(f"dev labels; {describe()}")
    for name, gaps, seed in (("gaps that set the constants", SET, 0), ("unseen gaps", UNSEEN, 1)):
        pools = list(drawn(gaps, arguments.pools, seed))
        print(f"{name}, {len(pools)} pools")
        constants(pools)
        coverage(pools)


if __name__ == "__main__":
    main()
