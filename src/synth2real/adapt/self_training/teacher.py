"""Teacher: self-training in which a teacher, the moving average of the student, labels the target images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from ...data.domains import Unlabelled
from ...settings import settings
from ...tasks import Classification
from ...training.averaging import follow, frozen, half_cosine
from ...training.loop import Progress, SourceBatch, TargetBatch, Update
from ...training.model import Model
from ..base import Objective
from ..shared.distribution_alignment import Alignment, Level, Prior, ToPrior

CHECK_EVERY = 10  # steps between two checks whether a regressor's teacher is the best so far
SETTLED = 0.2  # share of the training before which the disagreement is not yet informative


@settings
class Teacher(Objective):
    """Mean teacher: a moving average of the student labels the target images on which the student learns.

    Supports all tasks. The teacher predicts the clean target image. The student receives the randomized image and must
    make the same prediction. Classification: the teacher's predictions are aligned with the prior of the target's
    classes. Then only labels with high confidence count. Values, points and gaze: the teacher's prediction is
    transformed by the same warp as the image. Each sample is weighed by the agreement of the predictions for two views
    of it. The whole loss on the target is weighed by the square root of (target loss / source loss) of the student, at
    most 1 (see `need`). This limits the drift of a self-trained regressor: with a teacher of full weight, the predicted
    position of real irises rose by 1 px in 1,000 steps. The final model is the teacher with the best agreement.
    Training ends when the agreement has clearly fallen (see `drift`).

    It reduces accuracy if the target's class balance is far from `target_prior`. In this case `none` is the safer
    choice.

    References:
        Tarvainen & Valpola (2017). Mean teachers are better role models.
        Berthelot, Roelofs, Sohn, Carlini & Kurakin (2022). AdaMatch (distribution alignment, relative threshold).

    Args:
        threshold: lowest confidence of a label that counts, as a share of the mean confidence on the source batch.
        target_prior: class shares of the target that labels are aligned with: `source` (the source's balance), `none`,
            one share per class, or an estimate made during the training: `estimated` (BBSE) or `mlls` (see `priors`).
            The estimate is not the default. From MNIST to USPS it was no better than the source's balance (sum of
            differences to the true shares: 0.20 for the estimate, 0.19 for the source's balance), and the accuracy was
            the same.
        alignment: `soft` changes labels of low confidence towards that prior and tolerates a prior that is a little
            wrong; `exact` enforces the prior, for a target with known shares.
        decay: decay of the teacher per step.
        weight: weight of the target loss at full strength. It rises over the first half of the training.
        drift: a regressor's training ends when the disagreement exceeds its lowest value by this factor.
    """

    threshold: float = Field(default=0.9, gt=0, le=1)
    target_prior: Prior = "source"
    alignment: Alignment = "soft"
    decay: float = Field(default=0.998, gt=0, lt=1)
    weight: float = Field(default=1.0, ge=0)
    drift: float = Field(default=1.5, gt=1)
    rate: float = Field(default=3e-3, gt=0)
    default_randomization: ClassVar[str | None] = "full"
    soft_labels: ClassVar[bool] = True

    def build(self, target: Unlabelled) -> None:
        self.teacher = frozen(self.model)
        self.networks["teacher"] = self.teacher
        if isinstance(self.task, Classification):
            self.to_prior = ToPrior(self.task, self.target_prior, self.alignment)
            self.networks["to_prior"] = self.to_prior
        else:
            self.best = frozen(self.model)
            self.disagreement, self.lowest = Level(torch.zeros(())), Level(torch.tensor(math.inf))
            self.networks |= {"best": self.best, "disagreement": self.disagreement, "lowest": self.lowest}
            self.missed, self.strayed = Level(torch.zeros(())), Level(torch.zeros(()))
            self.networks |= {"missed": self.missed, "strayed": self.strayed}

    def shipped(self) -> Model:
        return self.teacher if isinstance(self.task, Classification) else self.best

    @property
    def finished(self) -> bool:
        if isinstance(self.task, Classification):
            return False
        return bool(self.disagreement.mean > self.drift * self.lowest.mean)

    def updates(self, source: SourceBatch, target: TargetBatch, progress: Progress) -> Iterator[Update]:
        known, unknown = self.outputs(source, target)
        label = self.task.loss(known, source.y)
        with torch.no_grad():
            if isinstance(self.task, Classification):
                self.to_prior.observe(known, source.y, unknown, progress)
                labels, weights = self.pseudo_labels(known, target)
            else:
                labels, weights = self.pseudo_values(target)
        pseudo = (weights * self.task.losses(unknown, labels)).mean()
        if not isinstance(self.task, Classification):
            pseudo = self.need(label, pseudo) * pseudo
        yield Update(of=(self.model,), label=(1.0, label), pseudo=(self.weight * half_cosine(progress), pseudo))
        self.follow(progress)

    def need(self, label: Tensor, pseudo: Tensor) -> Tensor:
        """Weight of a regressor's pseudo-label loss, a scalar in 0..1.

        It is the square root of the ratio of the student's loss on the target to its loss on the source. If the student
        has already learnt the target, it can learn little more from the teacher. It would then learn the teacher's
        errors, more with every step.
        """
        return (self.strayed.update(pseudo) / self.missed.update(label).clamp(min=1e-12)).clamp(max=1).sqrt()

    def outputs(self, source: SourceBatch, target: TargetBatch) -> tuple[Tensor, Tensor]:
        """The student's raw outputs for its inputs from each domain."""
        known, unknown = self.model(torch.cat([source.x, target.x])).split([len(source), len(target)])
        return known, unknown

    def pseudo_labels(self, known: Tensor, target: TargetBatch) -> tuple[Tensor, Tensor]:
        """The teacher's classes (B,) int64 for clean target images; and 1.0 if confident enough, else 0.0."""
        confidence, labels = self.to_prior(self.teacher(target.clean).log_softmax(1)).max(1)
        least = self.threshold * known.softmax(1).amax(1).mean()
        return labels, (confidence >= least).float()

    def pseudo_values(self, target: TargetBatch) -> tuple[Tensor, Tensor]:
        """The teacher's values (B, K) for clean images, and sample weights.

        The values are transformed by the warp of the student's images. The weight of a sample is exp(-d / mean d). d is
        the loss of the teacher's own prediction for the randomized image.
        """
        values = self.task.predict(self.teacher(target.clean))
        warped = self.task.move(values, target.warp)
        again = self.teacher(target.x)
        apart = self.task.losses(again, warped)
        others = self.task.losses(again, warped.roll(1, 0))  # the scale: the distance between different images
        self.disagreement.update(apart.mean() / others.mean().clamp(min=1e-8))
        return warped, torch.exp(-apart / apart.mean().clamp(min=1e-8))

    @torch.no_grad()
    def follow(self, progress: Progress) -> None:
        """Update the teacher towards the student. Keep the best teacher of a regressor."""
        follow(self.teacher, self.model, self.decay, progress)
        if isinstance(self.task, Classification) or progress.step % CHECK_EVERY:
            return
        if progress.fraction < SETTLED or self.disagreement.mean < self.lowest.mean:
            self.best.load_state_dict(self.teacher.state_dict())
            if progress.fraction >= SETTLED:
                self.lowest.mean.copy_(self.disagreement.mean)
