"""`fine_tune`: the whole network is trained on, with a few real labels beside the source."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn

from ...data.domains import Labelled
from ...data.few_labels import FewLabels
from ...tasks import Classification
from ..averaging import unfrozen
from ..loop import Algorithm, Loop, Progress, SourceBatch, TargetBatch, Trainer, Update
from ..model import Model
from .checks import check_few_labels

RATE, WEIGHT = 1e-4, 1.0  # a tenth of the rate of the training; weight of the few labels beside the source


class _FineTune(Algorithm):
    """Trains on batches of the source and of the few labels, which the loop takes as its target.

    Args:
        model: to train.
        few: its few labels, in input pixels.
        rate, weight: see `fine_tune`.
    """

    def __init__(self, model: Model, few: Labelled, rate: float, weight: float) -> None:
        self.model, self.few, self.rate, self.weight = model, few, rate, weight
        self.networks: dict[str, nn.Module] = {"model": model}
        self.given_columns = model.given_columns

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
    model: Model,
    few_labels: FewLabels,
    source: Labelled,
    loop: Loop,
    *,
    rate: float = RATE,
    weight: float = WEIGHT,
) -> Model:
    """A copy of a model, trained on with a few labelled real samples beside the source.

    It is no step of a route: on real eyes `correct` is better with up to 50 labels, and it takes no training (see
    docs/few-labels.md). Nothing measures its benefit within the few labels, because the network has seen them.

    Args:
        model: trained, not corrected; it is not changed.
        few_labels: of its task and shape.
        source: that it was trained on.
        loop: steps, batch, seed and randomization.
        rate: learning rate.
        weight: of the loss of the few labels; that of the source is 1.

    Raises:
        InputError: the few labels do not fit.
        TrainingDiverged: a loss is not finite.
    """
    check_few_labels(model.task, replace(few_labels, groups=()), few_labels.unlabelled(), None)
    model.inputs_of(few_labels.unlabelled(), "the data of the few labels")
    model = unfrozen(copy.deepcopy(model)).train()
    task = model.task
    few = few_labels.labelled()
    few = replace(few, labels=task.align(few) if isinstance(task, Classification) else few.labels)
    ours, theirs = (
        replace(data, labels=task.to_input(data.labels, data.sizes, data.shape[1:])) for data in (source, few)
    )
    algorithm = _FineTune(model, theirs, rate, weight)
    Trainer(algorithm, ours, few.unlabelled(), loop, task.move, task.mix).run()
    return model.eval()
