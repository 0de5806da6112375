"""Candidates: outputs of each trained model on the held-out source and the target, computed once for all validators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ...data.domains import Labelled, Unlabelled, to_float
from ...data.groups import check_groups
from ...data.labels import Boxes
from ...errors import InputError
from ...tasks import Classification, Detection, Segmentation, Task
from ...tasks.prediction_distance import most_probable
from ...training.featured import by_source
from ...training.model import Model
from .box_curves import calibrated as calibrated_boxes
from .boxes import Pairs, pairs
from .das import Probed, probe
from .dense import compact
from .maps import compact_labels
from .masks import Overlaps, calibrated, pair_overlaps
from .moves import Moved, move

MIX = 0.55  # share of the main image in a mixture


@dataclass(frozen=True)
class Candidate:
    """Everything that a validator needs to know about one trained model; create it with `observe`.

    Args:
        name: of its route and settings; candidates with the same name differ only in the seed.
        seed: of its training.
        source, target: raw outputs on the held-out source (N, O) and on the target (M, O), float32; of a dense task
            probabilities (N, C, h, w) and (M, C, h, w) float16, or `Boxes`, see `dense.compact`.
        source_features, target_features: (N, F) and (M, F) float32; of a dense task the mean over all points.
        classifier: weights of the head's last layer, (O, F); None if the head has hidden layers, or the task is dense.
        mixed: two shares of mixed images that are classified as their main image: mixtures within one class, and
            mixtures between two classes. The images are of the target, and the class of an image is its predicted
            class. Classification only, otherwise nan.
        moved: predictions for transformed target samples and those expected after that transform, see `moves.move`;
            None if they are not computed, or no such transform is known.
        probed: of a detector, what its weights and features show; None if it is not computed.
    """

    name: str
    seed: int
    source: Any
    target: Any
    source_features: Tensor
    target_features: Tensor
    classifier: Tensor | None
    mixed: tuple[float, float]
    moved: Moved | None
    probed: Probed | None = None

    @cached_property
    def importance(self) -> Tensor:
        """Weights (N,) of the held-out source samples from its own features, see `importance_weights`."""
        return importance_weights(self.source_features, self.target_features)


@dataclass(frozen=True)
class Pool:
    """Candidates for one task, observed on the same samples.

    Args:
        candidates: one or more.
        task: what they predict.
        labels: of the held-out source, class indices (N,), values (N, K), masks (N, h, w), or `Boxes`. Points and boxes
            are in pixels of the model's input; see `labels_of`.
        prior: class shares (C,) of the target, if they are known.
        source_groups, target_groups: (N,) and (M,) int64, the person or video of each sample; None if the samples are
            independent.

    Raises:
        InputError: there is no candidate, or the candidates do not match the labels, the groups, the task or each
            other.
    """

    candidates: Sequence[Candidate]
    task: Task
    labels: Any
    prior: Tensor | None = None
    source_groups: Tensor | None = None
    target_groups: Tensor | None = None

    def __post_init__(self) -> None:
        if not self.candidates:
            raise InputError("the pool has no candidate, expected one or more trained models")
        first = self.candidates[0]
        for one in self.candidates:
            boxes = isinstance(one.source, Boxes)
            widths = (self.task.outputs,) * 2 if boxes else (one.source.shape[1], one.target.shape[1])
            expected = (len(self.labels), len(first.target), self.task.outputs, self.task.outputs)
            found = (len(one.source), len(one.target), *widths)
            if found != expected:
                raise InputError(
                    f"candidate '{one.name}', seed {one.seed}: found {found[0]} held-out source and {found[1]} target "
                    f"samples with {found[2]} and {found[3]} outputs, expected {expected[0]} and {expected[1]} with "
                    f"{expected[2]}. Observe every candidate on the same samples"
                )
        if self.prior is not None and len(self.prior) != self.task.outputs:
            raise InputError(f"the prior has {len(self.prior)} shares, expected {self.task.outputs}, one per class")
        check_groups(
            {"source": self.source_groups, "target": self.target_groups},
            {"source": len(self.labels), "target": len(first.target)},
        )

    @cached_property
    def mask_overlaps(self) -> tuple[Overlaps, Overlaps]:
        """Overlaps of the masks of each candidate with the calibrated probabilities of each: of source and target.

        (M, M, N, C) each; of a pool of masks.
        """
        each = list(zip(self.source, self.target, strict=True))
        source, target = (
            pair_overlaps([most_probable(of[i]) for of in each], [calibrated(of[i], of[0], self.labels) for of in each])
            for i in range(2)
        )
        return source, target

    @property
    def classes(self) -> int:
        """Number of classes of the task, which must have names of classes."""
        return len(self.task.classes)  # type: ignore[attr-defined]

    @cached_property
    def box_pairs(self) -> tuple[Pairs, Pairs]:
        """How likely the boxes of each candidate are right by each: on source and target; of a pool of boxes."""
        return pairs(self.source, self.classes), pairs(self.target, self.classes)

    @cached_property
    def source(self) -> list[Any]:
        """Predictions of each candidate on the held-out source.

        Of masks they are probabilities, see `Candidate`; of boxes the scores are, see `box_curves.calibrated`.
        """
        return [self._predicted(one, one.source) for one in self.candidates]

    @cached_property
    def target(self) -> list[Any]:
        """Predictions of each candidate on the target, in the form of `source`."""
        return [self._predicted(one, one.target) for one in self.candidates]

    def _predicted(self, one: Candidate, outputs: Any) -> Any:
        if isinstance(self.task, Detection):
            return calibrated_boxes(outputs, one.source, self.labels, self.classes)
        return outputs if self.task.dense else self.task.predict(outputs)


def observe(
    model: Model, held_out: Labelled, target: Unlabelled, *, name: str = "", seed: int = 0, probed: bool = True
) -> Candidate:
    """Compute everything that validators need to know about a model.

    Args:
        model: trained.
        held_out: source samples that it was not trained on; their labels are not read.
        target: unlabelled samples, about 500 to 2,000: several validators compare all pairs of them.
        name, seed: see `Candidate`.
        probed: also predict mixed and transformed samples, which takes three more passes over the target, and of a
            detector by perturbed weights. Without it `mixed` is nan, and `moved` and `probed` are None.

    Raises:
        InputError: the inputs do not have the shape that the model takes, or lack a given column.
    """
    known, inputs = model.inputs_of(held_out, "the held-out source"), model.inputs_of(target, "the target")
    with by_source(model):
        source_features = model.embed(known)
    target_features = model.embed(inputs)
    if model.task.dense:
        with by_source(model):
            source = compact(model, known)
        found = compact(model, inputs)
        moved = move(model, inputs, found) if probed else None
        detector = probe(model, known, inputs, source, found) if probed and isinstance(model.task, Detection) else None
        both = source_features, target_features
        return Candidate(name, seed, source, found, *both, None, (torch.nan, torch.nan), moved, detector)
    outputs = head_of(model, target_features)
    last = list(model.head.children())[-1]
    last = last[-1] if isinstance(last, nn.Sequential) else last
    linear = isinstance(last, nn.Linear) and last.in_features == source_features.shape[1]
    mixed = torch.nan, torch.nan
    if probed and isinstance(model.task, Classification):
        mixed = _mixed(model, to_float(inputs[torch.arange(len(target))]), outputs)
    return Candidate(
        name=name,
        seed=seed,
        source=head_of(model, source_features),
        target=outputs,
        source_features=source_features,
        target_features=target_features,
        classifier=last.weight.detach().cpu().clone() if linear and isinstance(last, nn.Linear) else None,
        mixed=mixed,
        moved=move(model, inputs, outputs) if probed else None,
    )


def labels_of(held_out: Labelled, task: Task) -> Any:
    """The labels of held-out source samples, in the form that `Pool` takes."""
    if isinstance(task, Detection):
        return task.to_input(task.align(held_out), held_out.fitting)
    if isinstance(task, Segmentation):
        return compact_labels(task, task.align(held_out))
    if isinstance(task, Classification):
        return task.align(held_out)
    labels: Tensor = task.to_input(held_out.labels, held_out.fitting)
    return labels


def importance_weights(source: Tensor, target: Tensor, most: float = 50.0) -> Tensor:
    """Density ratio, target over source, of each source sample: (N,) float32.

    If the source covers the target, their mean is about 1. The farther the domains are apart, the smaller it becomes.

    The ratio is the odds of a logistic regression that classifies the domain from standardised features. The samples
    are split into halves. The weights of each half come from the regression on the other half. No weight exceeds
    `most`.

    References:
        Bickel, Brückner & Scheffer (2007). Discriminative learning for differing training and test distributions. ICML.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    both = torch.cat([source, target]).double().numpy()
    domain = torch.cat([torch.zeros(len(source)), torch.ones(len(target))]).long().numpy()
    machine = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    halves = StratifiedKFold(2, shuffle=True, random_state=0)
    log_odds = cross_val_predict(machine, both, domain, cv=halves, method="decision_function")[: len(source)]
    return (torch.from_numpy(log_odds).exp() * (len(source) / len(target))).clamp(max=most).float()


@torch.no_grad()
def head_of(model: Model, features: Tensor) -> Tensor:
    """Raw outputs (N, O) float32 on the CPU, computed by a model's head from features (N, F)."""
    device = next(model.parameters()).device
    outputs: Tensor = model.head(features.to(device))
    return outputs.float().cpu()


def _mixed(model: Model, x: Tensor, outputs: Tensor) -> tuple[float, float]:
    """See `Candidate.mixed`.

    Within a class, the partner of a sample is the previous sample of that class. Across classes, it is the sample at
    the mirrored position.
    """
    predicted = outputs.argmax(1)
    ring = torch.arange(len(x))
    for index in predicted.unique():
        members = (predicted == index).nonzero().flatten()
        ring[members] = members.roll(1)
    shares = []
    for partner, same in ((ring, True), (torch.arange(len(x)).flip(0), False)):
        kept = ((predicted == predicted[partner]) == same).nonzero().flatten()
        if len(kept):
            found = model.outputs(MIX * x[kept] + (1 - MIX) * x[partner[kept]]).argmax(1)
            shares.append(float((found == predicted[kept]).double().mean()))
        else:
            shares.append(0.0)
    return shares[0], shares[1]
