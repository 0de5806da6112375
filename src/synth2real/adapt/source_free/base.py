"""Source-free: a trained model is adapted to the target alone, where the source may not or cannot be had any more."""

from __future__ import annotations

import copy
from typing import ClassVar

from pydantic import Field

from ...data.domains import Unlabelled
from ...errors import InputError
from ...settings import settings
from ...tasks import Classification
from ...training.hardware import Hardware
from ...training.loop import Loop, Report, Trainer
from ...training.model import Model
from ..base import Learner


@settings
class SourceFree(Learner):
    """What the methods without a source share: `fit` takes a trained model and answers an adapted one.

    Args:
        passes: over the target, where no number of steps is given.
        optimize, rate, schedule, weight_decay, clip: as in `Learner`.
    """

    name: ClassVar[str]  # under which the room lists it

    passes: int = Field(default=1, gt=0)

    def steps(self, target: Unlabelled, batch: int = 64) -> int:
        """Steps of `passes` over the target."""
        return self.passes * -(-len(target) // batch)

    def trainer(self, model: Model, target: Unlabelled, loop: Loop) -> Trainer:
        """A trainer of a copy of `model`; once it has run, `trainer.algorithm.shipped()` is the adapted model.

        Raises:
            InputError: a target of other shape or with fewer than two samples, a model that does not classify.
        """
        model.check(target.inputs, "the target")
        if len(target) < 2:
            raise InputError(f"the target holds {len(target)} sample, expected two or more: adapt to more images")
        learner = self.fresh()
        learner.prepare(copy.deepcopy(model).to(loop.hardware.device).train(), target)
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
            model: as `load_model` or a route gives it; it stays as it is.
            target: unlabelled inputs of the shape that the model takes, two or more.
            steps: by default `passes` over the target.
            batch: samples a step.
            seed: of the order of the samples.
            hardware: device, precision and memory format.
            report: called with a step and the means of the losses.

        Raises:
            InputError: as `trainer`.
            TrainingDiverged: a loss or gradient was not finite.
        """
        loop = Loop(steps or self.steps(target, batch), batch, seed, hardware or Hardware.detect())
        trainer = self.trainer(model, target, loop)
        trainer.run(report)
        assert isinstance(trainer.algorithm, SourceFree)
        return trainer.algorithm.shipped().eval()

    def refuse(self) -> None:
        if not isinstance(self.task, Classification):
            raise InputError(
                f"{self.name} adapts by class probabilities, but the model predicts values ({self.task.kind}); "
                "expected a model trained with --task classify. For values, train with both domains: --adapt teacher"
            )
        mapped, several = self.model.map is not None, "members" in self.model.description
        if mapped or several:
            what = "features that a mapping had mapped" if mapped else "several models together, an ensemble"
            raise InputError(
                f"{self.name} changes one network that takes its inputs as they are, but the run is of {what}; "
                "expected one network, trained with --adapt source-only, dann or teacher, say"
            )
        if not list(self.model.features.parameters()):
            raise InputError(
                f"{self.name} changes the network that makes the features, but the model has none, only a machine on "
                "the features as they are; expected one that learns"
            )
        if self.model.description["frozen"]:
            raise InputError(
                f"{self.name} changes the network that makes the features, but the model was trained with a frozen one "
                "(adapt.frozen); expected one that learns"
            )
