"""`correct`: a few real labels correct a trained model, and how much they buy."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ...data.domains import Inputs, Unlabelled, check_kind, evenly
from ...data.few_labels import FewLabels
from ...data.objects import as_unlabelled
from ...tasks import Classification, Task
from ..corrected_head import CorrectedHead, put_on
from ..featured import ProjectedPixels
from ..model import Model
from .candidates import Basis
from .checks import check_few_labels
from .fit import Fit, Observed, fit, seen_by

MOST = 2000  # target samples that the basis is scaled by
DRAWS = 1000  # bootstrap samples
CONFIDENCE = 0.95
SIZES = (1, 2, 3, 5, 10, 20, 50, 100)  # numbers of labels at which the error is drawn
SUBSETS = 10  # of each size


@dataclass(frozen=True)
class Point:
    """The error with a number of labels: mean and standard deviation over random subsets of the few labels.

    Each subset corrects the model, and the other labels score it. The last point has all labels: each is left out in
    turn, and there is no spread.
    """

    labels: int
    mean: float
    spread: float | None


@dataclass(frozen=True)
class Correction:
    """A model that a few real labels have corrected, and what they bought.

    The figures are in the units of the main metric of the task. They are cross-validated: no label scores a correction
    that it took part in.

    Args:
        model: the corrected model. It predicts, saves and loads like any model.
        metric: name of the main metric.
        count: number of few labels.
        groups: names of the groups that have a correction of their own.
        shares: weight of each kind of correction in their average, `none`, `offset`, `affine` and `last layer`.
        before: metric of the model without correction on the few labels.
        after: metric of the corrected model; None with one label.
        gain: by how much the correction improves the metric, positive if it does; None with one label.
        interval: 95 % interval of the gain by a bootstrap of the labels; None with one label.
        other_groups: as `after`, for samples of new groups, which get the common correction; None without groups.
        curve: the metric against the number of labels.
    """

    model: Model = field(repr=False)
    metric: str
    count: int
    groups: tuple[str, ...]
    shares: dict[str, float]
    before: float
    after: float | None = None
    gain: float | None = None
    interval: tuple[float, float] | None = None
    other_groups: float | None = None
    curve: tuple[Point, ...] = ()

    @property
    def words(self) -> str:
        """What the few labels bought, in a sentence or two."""
        name = self.metric.replace("_", " ")
        if self.after is None or self.gain is None or self.interval is None:
            return (
                "1 few label: the correction is an offset, shrunk to a third of this label's error. With one label its "
                "benefit cannot be measured"
            )
        low, high = self.interval
        by = "two-fold cross-validation" if "fine-tuning" in self.shares else "cross-validation"
        said = (
            f"{self.count} few labels: {name} {self.before:.3g} before, {self.after:.3g} after, by {by} (gain "
            f"{self.gain:.3g}, 95 % interval {low:.3g} to {high:.3g}); correction: {self.mixture}"
        )
        return said if low > 0 else f"{said}. It is not sure that these labels help: label more"

    @property
    def mixture(self) -> str:
        """The kinds with a share of at least 1 percent, the largest first: `last layer 93 %, offset 7 %`."""
        ordered = sorted(self.shares.items(), key=lambda one: -one[1])
        return ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in ordered if share >= 0.01)

    @property
    def kind(self) -> str:
        """The kind of correction with the largest share."""
        return max(self.shares, key=lambda kind: self.shares[kind])

    def plain(self) -> dict[str, Any]:
        """The figures as plain data."""
        figures = {key: value for key, value in vars(self).items() if key not in ("model", "curve")}
        return {
            **figures,
            "groups": list(self.groups),
            "interval": None if self.interval is None else list(self.interval),
            "correction": self.kind,
            "words": self.words,
            "curve": [asdict(point) for point in self.curve],
        }


def correct(
    model: Model,
    few_labels: FewLabels,
    target: Unlabelled,
    *,
    target_groups: Sequence[str] | None = None,
    curve: bool = True,
) -> Correction:
    """Correct a trained model with a few labelled real samples, without training.

    The correction is an average of four kinds, shrunk and weighted by cross-validation within the few labels: none, an
    offset, an affine map of the prediction, and a change of the last layer. With groups, each has its own correction,
    shrunk to the common one; `model.predict(..., groups=...)` selects it. Everything is in closed form in float64, so
    the same labels give the same bits.

    Args:
        model: trained; it is not changed. It may have been corrected before; the new correction is put on top.
        few_labels: of the model's task, with inputs of its shape.
        target: real samples to predict; the spread of their features scales the correction.
        target_groups: name of the group of each target sample; needed if the few labels have groups.
        curve: also compute the metric against the number of labels.

    Raises:
        InputError: the few labels are of another task, shape or class, are of one class only, or have a group that
            the target lacks.
    """
    check_kind(few_labels, FewLabels, "the few labels are", "Load them: load_few_labels(path, label=...)")
    target = as_unlabelled(target, "the target is", model.conversion, model.given_columns)
    check_few_labels(model.task, few_labels, target, target_groups)
    model = copy.deepcopy(model).eval()
    some = target.subset(evenly(len(target), MOST))
    inputs = (
        model.inputs_of(some, "the target"),
        model.inputs_of(few_labels.unlabelled(), "the data of the few labels"),
    )
    head = _wider(model, few_labels, inputs)
    seen = [seen_by(model, one) for one in inputs]
    features, coordinates = (torch.cat(both) for both in zip(*seen, strict=True))
    basis = Basis.of(features, coordinates, model.pixels.count if model.pixels else 0)
    observed = Observed.of(model.task, few_labels, basis, *seen[1])
    result, best = _measured(model, few_labels, observed, curve)
    for i, parts in enumerate(zip(*best.parts, strict=True)):
        for buffer, value in zip((head.offset, head.affine, head.layer), basis.on_inputs(*parts), strict=True):
            buffer[i] = value.to(buffer)
    return result


def _measured(model: Model, few: FewLabels, observed: Observed, curve: bool) -> tuple[Correction, Fit]:
    """The fitted correction, and what it buys; it is not yet in the model."""
    groups = len(few.group_names)
    common, own = fit(observed, groups)
    best, scores = own or common, Scores(model, few)
    before = scores.of(observed.coordinates)
    result = Correction(model, model.task.metric, len(few), few.group_names, best.shares, before)
    if len(few) == 1:
        return result, best
    after = scores.of(best.held)
    return replace(
        result,
        after=after,
        gain=scores.sign * (after - before),
        interval=scores.interval(observed.coordinates, best.held),
        other_groups=scores.of(common.held) if groups > 1 else None,
        curve=_curve(observed, scores, groups) if curve else (),
    ), best


def _wider(model: Model, few: FewLabels, inputs: tuple[Inputs, Inputs]) -> CorrectedHead:
    """Put a head with a correction of zero on the model, and components of the pixels on its features."""
    description: dict[str, Any] = {"groups": list(few.group_names), "labels": len(few)}
    if not model.may_append_pixels:
        return put_on(model, description)
    pixels = ProjectedPixels.of(torch.cat([model.normalised(one) for one in inputs]))
    head = put_on(model, {**description, "pixels": pixels.count})
    assert model.pixels is not None
    model.pixels.load_state_dict(pixels.state_dict())
    return head


class Scores:
    """The main metric of corrected coordinates of the few labels.

    Args:
        model: whose task predicts.
        few: the labels, in the units of the user.
    """

    def __init__(self, model: Model, few: FewLabels) -> None:
        self.task: Task = model.task
        self.fitting = few.labelled().fitting
        self.labels = self.task.align(few.labelled())
        self.sign = 1.0 if self.task.higher_is_better else -1.0

    def of(self, coordinates: Tensor, index: Tensor | None = None) -> float:
        """The metric of coordinates (N, K) of the labels at `index`, by default all."""
        index = torch.arange(len(self.labels)) if index is None else index
        return self._metric(self._predictions(coordinates, index), self.labels[index])

    def _predictions(self, coordinates: Tensor, index: Tensor) -> Tensor:
        values = self.task.predict(self.task.from_coordinates(coordinates))
        fitting = None if self.fitting is None else self.fitting.subset(index)
        restored: Tensor = self.task.from_input(values, fitting)
        return restored

    def _metric(self, predictions: Tensor, labels: Tensor) -> float:
        return float(self.task.metrics(predictions, labels)[self.task.metric])

    def interval(self, before: Tensor, after: Tensor) -> tuple[float, float]:
        """Interval of the gain, by a bootstrap of the labels."""
        each = torch.arange(len(self.labels))
        both = [self._predictions(one, each) for one in (before, after)]
        generator = torch.Generator().manual_seed(0)
        gains = []
        for _ in range(DRAWS):
            index = torch.randint(len(each), (len(each),), generator=generator)
            old, new = (self._metric(one[index], self.labels[index]) for one in both)
            gains.append(self.sign * (new - old))
        ends = torch.tensor([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], dtype=torch.float64)
        low, high = torch.tensor(gains, dtype=torch.float64).quantile(ends).tolist()
        return low, high


def _curve(observed: Observed, scores: Scores, groups: int) -> tuple[Point, ...]:
    """The metric against the number of labels, from none to all."""
    count, generator = len(observed), torch.Generator().manual_seed(0)
    points = [Point(0, scores.of(observed.coordinates), None)]
    for size in (size for size in SIZES if size <= count - max(1, count // 5)):
        found = []
        for _ in range(SUBSETS):
            order = torch.randperm(count, generator=generator)
            found.append(_scored(observed, scores, order[:size], order[size:], groups))
        metrics = torch.tensor(found, dtype=torch.float64)
        points.append(Point(size, float(metrics.mean()), float(metrics.std())))
    common, own = fit(observed, groups)
    return (*points, Point(count, scores.of((own or common).held), None))


def _scored(observed: Observed, scores: Scores, index: Tensor, rest: Tensor, groups: int) -> float:
    """The metric of a correction by the labels at `index`, on the others."""
    part, others = observed.subset(index), observed.subset(rest)
    if isinstance(observed.task, Classification) and len(part.labels.unique()) < 2:
        return scores.of(others.coordinates, rest)  # such labels are refused
    common, own = fit(part, groups)
    if own is None or others.groups is None or part.groups is None:
        return scores.of(common.corrected(others, None), rest)
    known = torch.isin(others.groups, part.groups)
    return scores.of((own.corrected(others, torch.where(known, others.groups, -1))), rest)
