"""Candidates: what each of several trained models says of the held source and of the target, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ...data.domains import Inputs, Labelled, Unlabelled, to_float
from ...data.groups import check_groups
from ...data.sparse import Sparse
from ...errors import InputError
from ...tasks import Classification, Gaze, Keypoints, Regression, Task
from ...tasks.directions import degrees_between
from ...training.model import Model
from ...transforms.warp import Warp

MIX = 0.55  # share of the image that a mixture must still be taken for
# Moves that leave what is asked for as it was, or move it along: a class or a number outlives a shift, points and
# directions are moved by any warp.
SHIFTS: dict[str, Any] = {"shift": 0.08}
WARPS: dict[str, Any] = {"rotation": 10.0, "scale": 0.1, "shift": 0.08}
STRUCK = 0.7  # share of the words that a text is asked about without


@dataclass(frozen=True)
class Candidate:
    """One trained model, as far as a validator needs to know it; make one with `observe`.

    Args:
        name: of its route and settings; candidates of one name differ in the seed alone.
        seed: of its training.
        source, target: raw outputs on the held source (N, O) and on the target (M, O), float32.
        source_features, target_features: (N, F) and (M, F) float32.
        classifier: weights of the head's last layer, (O, F); None where there are layers before it.
        mixed: shares of mixed target images that are taken for the one that they show most: of two of one predicted
            class, and of two classes. Classification alone, else nan.
        wander: mean distance of what is said of a moved sample from what should be said of it, in units of that of
            another sample; see the function of this name.
    """

    name: str
    seed: int
    source: Tensor
    target: Tensor
    source_features: Tensor
    target_features: Tensor
    classifier: Tensor | None
    mixed: tuple[float, float]
    inconsistency: float

    @cached_property
    def importance(self) -> Tensor:
        """Weights (N,) of the held source samples by its own features, see `importance_weights`."""
        return importance_weights(self.source_features, self.target_features)


@dataclass(frozen=True)
class Pool:
    """Candidates for one task, observed on the same samples.

    Args:
        candidates: one or more.
        task: what they predict.
        labels: of the held source, class indices (N,) or values (N, K) in the pixels of the images as the model sees
            them; see `labels_of`.
        prior: class shares (C,) of the target, where they are known.
        source_groups, target_groups: (N,) and (M,) int64, the person or video of each sample; None where they stand
            alone.

    Raises:
        InputError: there is no candidate, or they do not match the labels, the groups, the task or each other.
    """

    candidates: Sequence[Candidate]
    task: Task
    labels: Tensor
    prior: Tensor | None = None
    source_groups: Tensor | None = None
    target_groups: Tensor | None = None

    def __post_init__(self) -> None:
        if not self.candidates:
            raise InputError("the pool holds no candidate, expected one or more trained models")
        first = self.candidates[0]
        for one in self.candidates:
            expected = (len(self.labels), len(first.target), self.task.outputs, self.task.outputs)
            found = (len(one.source), len(one.target), one.source.shape[1], one.target.shape[1])
            if found != expected:
                raise InputError(
                    f"candidate '{one.name}', seed {one.seed}: found {found[0]} held source and {found[1]} target "
                    f"samples with {found[2]} and {found[3]} outputs, expected {expected[0]} and {expected[1]} with "
                    f"{expected[2]}. Observe every candidate on the same samples"
                )
        if self.prior is not None and len(self.prior) != self.task.outputs:
            raise InputError(f"the prior has {len(self.prior)} shares, expected {self.task.outputs}, one a class")
        check_groups(
            {"source": self.source_groups, "target": self.target_groups},
            {"source": len(self.labels), "target": len(first.target)},
        )

    @property
    def source(self) -> list[Tensor]:
        """Predictions of each candidate on the held source."""
        return [self.task.predict(one.source) for one in self.candidates]

    @property
    def target(self) -> list[Tensor]:
        """Predictions of each candidate on the target."""
        return [self.task.predict(one.target) for one in self.candidates]


def observe(
    model: Model, held: Labelled, target: Unlabelled, *, name: str = "", seed: int = 0, probed: bool = True
) -> Candidate:
    """Ask a model all that validators need to know.

    Args:
        model: trained.
        held: source samples that it was not trained on; their labels are not read.
        target: unlabelled samples, some 500 to 2,000 of them: several validators compare each with each.
        name, seed: see `Candidate`.
        probed: ask what it says of mixed and of moved samples, too, which takes three more passes over the target;
            without, `mixed` and `inconsistency` are nan.

    Raises:
        InputError: the inputs are not of the shape that the model takes.
    """
    model.check(held.inputs, "the held source")
    model.check(target.inputs, "the target")
    source_features, target_features = model.embed(held.inputs), model.embed(target.inputs)
    outputs = head_of(model, target_features)
    last = model.head[-1][-1] if isinstance(model.head[-1], nn.Sequential) else model.head[-1]
    linear = isinstance(last, nn.Linear) and last.in_features == source_features.shape[1]
    mixed, wandering = (torch.nan, torch.nan), torch.nan
    if probed:
        if isinstance(model.task, Classification):
            mixed = _mixed(model, to_float(target.inputs[torch.arange(len(target))]), outputs)
        wandering = inconsistency(model, target.inputs, outputs)
    return Candidate(
        name=name,
        seed=seed,
        source=head_of(model, source_features),
        target=outputs,
        source_features=source_features,
        target_features=target_features,
        classifier=last.weight.detach().cpu().clone() if linear and isinstance(last, nn.Linear) else None,
        mixed=mixed,
        inconsistency=wandering,
    )


def labels_of(held: Labelled, task: Task) -> Tensor:
    """The labels of held source samples as a `Pool` takes them."""
    if isinstance(task, Classification):
        return task.align(held)
    return task.to_input(held.labels, held.sizes, held.shape[1:])


def apart(task: Task, a: Tensor, b: Tensor) -> Tensor:
    """Distance (N,) of each of two predictions, in the units of the task's metric; nan where one is unknown.

    Classes: 1 where the most probable ones differ (`b` may hold class indices), else 0. Values: mean absolute
    difference in units of the source's spread. Points: mean Euclidean distance in pixels. Gaze: degrees.
    """
    if isinstance(task, Classification):
        return (a.argmax(1) != (b.argmax(1) if b.ndim == 2 else b)).float()
    if isinstance(task, Gaze):
        return degrees_between(a, b).float()
    if isinstance(task, Keypoints):
        far: Tensor = (a - b).view(len(a), -1, 2).norm(dim=-1)
        return far.nanmean(1)
    assert isinstance(task, Regression)
    return ((a - b) / a.new_tensor(task.std)).abs().nanmean(1)


def importance_weights(source: Tensor, target: Tensor, most: float = 50.0) -> Tensor:
    """How many times more often each source sample would be drawn from the target, (N,) float32 of mean about 1.

    The odds of a logistic regression that tells the domains apart by standardised features; each half is weighed by the
    regression of the other, and no weight exceeds `most`.

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
    said = cross_val_predict(machine, both, domain, cv=halves, method="decision_function")[: len(source)]
    return (torch.from_numpy(said).exp() * (len(source) / len(target))).clamp(max=most).float()


@torch.no_grad()
def head_of(model: Model, features: Tensor) -> Tensor:
    """Raw outputs (N, O) float32 on the CPU from a model's features (N, F)."""
    device = next(model.parameters()).device
    outputs: Tensor = model.head(features.to(device))
    return outputs.float().cpu()


def _mixed(model: Model, x: Tensor, outputs: Tensor) -> tuple[float, float]:
    """See `Candidate.mixed`; partners within a class are its members in a ring, across classes from the other end."""
    said = outputs.argmax(1)
    ring = torch.arange(len(x))
    for index in said.unique():
        members = (said == index).nonzero().flatten()
        ring[members] = members.roll(1)
    shares = []
    for partner, wanted in ((ring, True), (torch.arange(len(x)).flip(0), False)):
        kept = ((said == said[partner]) == wanted).nonzero().flatten()
        seen = model.outputs(MIX * x[kept] + (1 - MIX) * x[partner[kept]]).argmax(1) if len(kept) else said[:0]
        shares.append(float((seen == said[kept]).double().mean()) if len(kept) else 0.0)
    return shares[0], shares[1]


def inconsistency(model: Model, inputs: Inputs, outputs: Tensor) -> float:
    """See `Candidate.inconsistency`: how unsteady a model is where samples are moved as it should not mind, or should follow.

    Images are shifted, where points or gaze are asked for also turned and scaled. Of sparse features, which are mostly
    words, seven tenths are struck out. Of dense ones no move is known that leaves what they mean: nan.

    Args:
        inputs: target samples (N, ...), some 500 to 2,000.
        outputs: raw, (N, O), what the model says of them.
    """
    task, should = model.task, model.task.predict(outputs)
    x, draw = to_float(inputs[torch.arange(len(inputs))]), torch.Generator().manual_seed(0)
    if x.ndim == 4:
        moves = WARPS if isinstance(task, Keypoints | Gaze) else SHIFTS
        warp = Warp.sample(len(x), (x.shape[2], x.shape[3]), generator=draw, **moves)
        should, moved = task.move(should, warp), warp.image(x)
    elif isinstance(inputs, Sparse):
        moved = x * (torch.rand(x.shape, generator=draw) >= STRUCK)
    else:
        return torch.nan
    said = task.predict(model.outputs(moved))
    others = apart(task, should, should.roll(1, 0)).nanmean()
    return float(apart(task, said, should).nanmean() / others.clamp(min=1e-8))
