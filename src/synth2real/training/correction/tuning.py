"""`fine_tune`: the whole network is trained on, with a few real labels beside the source."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn

from ...data.domains import Labelled, Unlabelled
from ...data.few_labels import FewLabels
from ...data.groups import held_out
from ...errors import InputError
from ...tasks import Classification
from ..averaging import unfrozen
from ..loop import Algorithm, Loop, Progress, SourceBatch, TargetBatch, Trainer, Update
from ..model import Model
from .checks import check_few_labels
from .fit import seen_by
from .result import Correction, Scores

RATE, WEIGHT = 1e-4, 1.0  # a tenth of the rate of the training; weight of the few labels beside the source
LEAST = 4  # labels, for two halves


class _FineTune(Algorithm):
    """Trains on batches of the source and of the few labels, which the loop takes as its target.

    Args:
        model: to train.
        few: its few labels, in input pixels.
        rate, weight: see `fine_tune`.
    """

    def __init__(self, model: Model, few: Labelled, rate: float, weight: float) -> None:
        self.model, self.few, self.rate, self.weight = model, few, rate, weight
        self.given_columns = model.given_columns
        self.networks: dict[str, nn.Module] = {"model": model}

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        task = self.model.task
        assert target.index is not None
        labels = task.move(self.few.labels[target.index].to(target.x.device), target.warp)
        outputs = self.model(torch.cat([source.x, target.x])).split([len(source), len(target)])
        label, few = task.loss(outputs[0], source.y), task.loss(outputs[1], labels)
        yield Update(of=(self.model,), label=(1.0, label), few=(self.weight, few))

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        parameters = [p for p in network.parameters() if p.requires_grad]
        return torch.optim.AdamW(parameters, lr=self.rate)


def fine_tune(
    model: Model, few_labels: FewLabels, source: Labelled, loop: Loop, *, rate: float = RATE, weight: float = WEIGHT
) -> Model:
    """A copy of a model, trained on with a few labelled real samples beside the source.

    Args:
        model: trained, neither corrected nor behind a feature map; it is not changed.
        few_labels: of its task and shape.
        source: that it was trained on.
        loop: steps, batch, seed and randomization.
        rate: learning rate.
        weight: of the loss of the few labels; that of the source is 1.

    Raises:
        InputError: the few labels do not fit, or the model has a feature map.
        TrainingDiverged: a loss is not finite.
    """
    if model.map is not None:
        raise InputError("the model has a feature map, which is not fine-tuned. Correct it without fine-tuning")
    model.inputs_of(few_labels.unlabelled(), "the data of the few labels")
    model = unfrozen(copy.deepcopy(model)).train()
    task, few = model.task, few_labels.labelled()
    if isinstance(task, Classification):
        few = replace(few, labels=task.align(few), classes=task.classes)
    ours, theirs = (replace(data, labels=task.to_input(data.labels, data.fitting)) for data in (source, few))
    Trainer(_FineTune(model, theirs, rate, weight), ours, few.unlabelled(), loop, task.move, task.mix).run()
    return model.eval()


def check_enough(few_labels: FewLabels) -> None:
    """Raise `InputError` if there are too few labels to fine-tune."""
    if len(few_labels) < LEAST:
        raise InputError(
            f"{len(few_labels)} few label(s), expected {LEAST} or more to fine-tune. Leave out --fine-tune: they only "
            "correct"
        )


def fine_tuned(model: Model, few_labels: FewLabels, source: Labelled, target: Unlabelled, loop: Loop) -> Correction:
    """Fine-tune a model, and measure by two-fold cross-validation what it buys.

    The labels of each half (whole groups, if there are several) score a model that is fine-tuned with the other half,
    so the error after is that with half of the labels. It takes three times the steps of `loop`.

    Args, raises:
        As `fine_tune`; and `InputError` for fewer than 4 labels.
    """
    check_few_labels(model.task, replace(few_labels, groups=()), target, None)
    check_enough(few_labels)
    count = len(few_labels)
    halves = held_out(count, count // 2, few_labels.group_index, loop.seed)
    scores = Scores(model, few_labels)
    before = seen_by(model, model.inputs_of(few_labels.unlabelled()))[1]
    held = before.clone()
    for rest, half in (halves, halves[::-1]):
        tuned = fine_tune(model, few_labels.subset(rest), source, loop)
        held[half] = seen_by(tuned, tuned.inputs_of(few_labels.subset(half).unlabelled()))[1]
    return Correction(
        model=fine_tune(model, few_labels, source, loop),
        metric=model.task.metric,
        count=count,
        groups=(),
        shares={"fine-tuning": 1.0},
        before=scores.of(before),
        after=scores.of(held),
        gain=scores.sign * (scores.of(held) - scores.of(before)),
        interval=scores.interval(before, held),
    )
