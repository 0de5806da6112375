"""Source-free adaptation: base class of methods that adapt a trained model with target data only."""

from __future__ import annotations

import copy
import warnings
from typing import Any, ClassVar

from pydantic import Field

from ...data.domains import Unlabelled, check_kind
from ...data.objects import as_unlabelled
from ...errors import InputError
from ...settings import settings
from ...tasks import Classification
from ...training.averaging import unfrozen
from ...training.hardware import Hardware
from ...training.loop import Loop, Report, Trainer
from ...training.model import Model
from ..base import Learner


@settings
class SourceFree(Learner):
    """Base class of the methods that need no source data: `fit` receives a trained model and returns an adapted copy.

    Args:
        passes: passes over the target, used if the number of steps is not given.
        optimize, rate, schedule, weight_decay, clip: as in `Learner`.
    """

    name: ClassVar[str]  # the method's name in the table `SOURCE_FREE`

    passes: int = Field(default=1, gt=0)

    def steps(self, target: Unlabelled, batch: int = 64) -> int:
        """Number of steps for `passes` over the target."""
        return self.passes * -(-len(target) // batch)

    def trainer(self, model: Model, target: Unlabelled, loop: Loop) -> Trainer:
        """A trainer for a copy of `model`. After it has run, `trainer.algorithm.shipped()` is the adapted model.

        Raises:
            InputError: the target has another shape or fewer than two samples, or the model does not classify.
        """
        target = _as_target(model, target)
        model.inputs_of(target, "the target")
        if len(target) < 2:
            raise InputError(f"the target holds {len(target)} sample, expected two or more. Pass more target images")
        learner = self.fresh()
        learner.prepare(unfrozen(copy.deepcopy(model)).to(loop.hardware.device).train(), target)
        return Trainer(learner, None, target, loop)

    def fit(
        self,
        model: Model,
        target: Unlabelled,
        *,
        steps: int | None = None,
        batch: int = 64,
        seed: int = 0,
        hardware: Hardware | None = None,
        report: Report | None = None,
    ) -> Model:
        """Adapt a copy of a trained classifier to the target.

        Args:
            model: a model from `load_model` or a route. It is not changed.
            target: two or more unlabelled inputs of the shape that the model expects; or what `Unlabelled.of` takes.
            steps: number of steps; by default `passes` over the target.
            batch: samples in each step.
            seed: seed of the order of the samples.
            hardware: device, precision and memory format.
            report: called with a step and the means of the losses.

        Raises:
            InputError: as `trainer`.
            TrainingDiverged: a loss or gradient was not finite.

        Warns:
            UserWarning: the training stopped, since its predictions collapsed; the last sound weights are returned.
        """
        target = _as_target(model, target)
        loop = Loop(steps or self.steps(target, batch), batch, seed, hardware or Hardware.detect())
        trainer = self.trainer(model, target, loop)
        trainer.run(report)
        assert isinstance(trainer.algorithm, SourceFree)
        for note in trainer.algorithm.notes():
            warnings.warn(note, stacklevel=2)
        return trainer.algorithm.shipped().eval()

    def refuse(self) -> None:
        if not isinstance(self.task, Classification):
            raise InputError(
                f"{self.name} adapts by class probabilities, but the model predicts values ({self.task.kind}); "
                "expected a model trained with --task classify. For values, train with both domains: --adapt teacher"
            )
        mapped, several = self.model.map is not None, "members" in self.model.description
        if mapped or several:
            what = "a model on mapped features" if mapped else "an ensemble of several models"
            raise InputError(
                f"{self.name} adapts a single network that receives the inputs directly, but the run holds {what}; "
                "expected a single network, trained for example with --adapt source-only, dann or teacher"
            )
        if not list(self.model.features.parameters()):
            raise InputError(
                f"{self.name} trains the feature extractor, but the model has none, only a linear machine on the given "
                "features; expected a model with a trainable feature extractor"
            )
        if not any(parameter.requires_grad for parameter in self.model.features.parameters()):
            raise InputError(
                f"{self.name} trains the features, but the model was trained with a frozen network and no bottleneck, "
                "expected a model with something to train. Train it without adapt.bottleneck=0"
            )


def _as_target(model: Model, target: Unlabelled | Any) -> Unlabelled:
    """The target as the model reads it. Raise `InputError` if the model is none."""
    check_kind(model, Model, "the model is", "Load it: load_model(folder)")
    found: Unlabelled = as_unlabelled(target, "the target is", model.conversion, model.given_columns)
    return found
